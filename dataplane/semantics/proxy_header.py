"""The header of the PROXY protocol: who connected to whom, told to an upstream before anything else.

Here: the bytes of versions 1 and 2.  Not here: when they are sent (router.tunnels, extensions.transport_sockets).
Spec: https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from dataplane.base.address import Address, SocketAddress

_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_LOCAL: Final = b"\x20"  # version 2, about our own connection
_PROXIED: Final = b"\x21"
_STREAM_OVER_4: Final = b"\x11"
_STREAM_OVER_6: Final = b"\x21"
UNKNOWN_V1: Final = b"PROXY UNKNOWN\r\n"
LOCAL_V2: Final = _SIGNATURE + _LOCAL + b"\x00\x00\x00"

Tlv = tuple[int, bytes]


def proxy_header(version: int, source: Address | None, destination: Address | None, tlvs: Iterable[Tlv] = ()) -> bytes:
    """version: 1 or 2.  Addresses that are no pair of one IP version are not told.  tlvs: for version 2 only."""
    unknown = UNKNOWN_V1 if version == 1 else LOCAL_V2
    if not isinstance(source, SocketAddress) or not isinstance(destination, SocketAddress):
        return unknown
    if source.is_ipv6 != destination.is_ipv6:
        return unknown
    if version == 1:
        name = b"TCP6" if source.is_ipv6 else b"TCP4"
        return b"PROXY %b %b %b %d %d\r\n" % (
            name,
            source.host.encode(),
            destination.host.encode(),
            source.port,
            destination.port,
        )
    hosts = ip_address(source.host).packed + ip_address(destination.host).packed
    body = hosts + source.port.to_bytes(2) + destination.port.to_bytes(2) + b"".join(map(_encode, tlvs))
    return _SIGNATURE + _PROXIED + (_STREAM_OVER_6 if source.is_ipv6 else _STREAM_OVER_4) + len(body).to_bytes(2) + body


def _encode(tlv: Tlv) -> bytes:
    kind, value = tlv
    return kind.to_bytes(1) + len(value).to_bytes(2) + value
