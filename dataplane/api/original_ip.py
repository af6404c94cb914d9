"""Detection of who asks: what reads the address of a request's sender from its headers.  Envoy: Http::OriginalIPDetection."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from dataplane.base.address import Address
    from dataplane.semantics.header_map import RequestHeaders


class Detection(NamedTuple):
    """What one detector found.

    address: None for nothing.  is_trusted: whether such an address may make the request an internal one.
    reject_with: the status of the answer to a request that goes no further, 0 where it does.
    append: the peer's own address is added to x-forwarded-for.
    """

    address: Address | None
    is_trusted: bool = False
    reject_with: int = 0
    append: bool = False


class IpDetector(Protocol):
    """A compiled extension of HttpConnectionManager.original_ip_detection_extensions."""

    def detect(self, headers: RequestHeaders, peer: Address) -> Detection:
        """peer: whose connection it is."""
