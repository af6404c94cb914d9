"""Who sends the requests of one connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataplane.base.address import Address

if TYPE_CHECKING:
    from dataplane.semantics.header_map import Field


@dataclass(frozen=True, slots=True)
class Peer:
    """What stays the same for all requests of a connection.

    introduction: what is added to a request that says nothing special.  noticed: what others will notice of it.
    """

    address: Address
    forwarded_for: bytes
    text: bytes
    is_internal: bool
    local_port: int
    scheme: bytes = b"http"
    client_cert: bytes | None = None  # its element of x-forwarded-client-cert; None without a certificate
    introduction: tuple[Field, ...] = ()
    noticed: tuple[bytes, ...] = ()
