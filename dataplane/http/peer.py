"""Who sends the requests of one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataplane.base.address import Address
    from dataplane.semantics.header_map import Field


class Peer:
    """What stays the same for all requests of a connection.

    forwarded_for: what x-forwarded-for is told.  client_cert: its element of x-forwarded-client-cert; None without a certificate.
    introduction: what is added to a request that says nothing special.  noticed: what others will notice of it.
    """

    __slots__ = (
        "address",
        "client_cert",
        "forwarded_for",
        "introduction",
        "is_internal",
        "local_port",
        "noticed",
        "scheme",
    )

    def __init__(
        self, address: Address, forwarded_for: bytes, is_internal: bool, local_port: int, scheme: bytes, client_cert: bytes | None
    ) -> None:
        self.address = address
        self.forwarded_for = forwarded_for
        self.is_internal = is_internal
        self.local_port = local_port
        self.scheme = scheme
        self.client_cert = client_cert
        self.introduction: tuple[Field, ...] = ()
        self.noticed: tuple[bytes, ...] = ()
