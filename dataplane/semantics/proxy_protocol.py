"""The PROXY protocol: what a load balancer in front of us says of a connection, versions 1 (a line) and 2 (binary).

Here: a pure function of the first bytes; the more there are, the more it can say, and it says the same however they were split.
Not here: who reads the bytes and what becomes of the addresses (extensions.filters.listener.proxy_protocol).
Spec: https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt, with Envoy's verdict on what is odd.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from dataplane.base.address import SocketAddress

V1_SIGNATURE: Final = b"PROXY "
V2_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"

_V2_HEAD: Final = 16
_MOST_V1: Final = 108  # bytes of a line with its end
_WINDOW: Final = 232  # bytes that Envoy looks at before it knows the version: the longest header of version 2 without TLVs
_FAMILIES: Final[dict[str, type[IPv4Address | IPv6Address]]] = {"TCP4": IPv4Address, "TCP6": IPv6Address}
_LOCAL, _PROXY = 0, 1  # commands
_STREAM, _DATAGRAM = 1, 2
_ADDRESS_SIZES: Final = {1: 4, 2: 16}  # by family: of one address
_PORT: Final = re.compile(r"[\t\n\v\f\r]*\+?[0-9]+[\t\n\v\f\r]*")
_MOST_PORT: Final = 65535


class NoHeader(Enum):
    """Why there is no header (yet)."""

    INCOMPLETE = "incomplete"
    MISSING = "missing"
    BROKEN_V1 = "broken, version 1"
    BROKEN_V2 = "broken, version 2"


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """length: bytes to take off.  The addresses are None where the header has none to tell: the connection's own count.

    tlvs: type and value, in their order.
    """

    version: int
    length: int
    source: SocketAddress | None = None
    destination: SocketAddress | None = None
    tlvs: tuple[tuple[int, bytes], ...] = ()


def parse_proxy_header(data: bytes) -> ProxyHeader | NoHeader:
    """Read the header at the beginning of *data*, which may go on."""
    if len(data) >= _V2_HEAD:
        if data.startswith(V2_SIGNATURE):
            return _parse_v2(data)
        if not data.startswith(V1_SIGNATURE):
            return NoHeader.MISSING
    end = data.find(b"\r\n", 0, _WINDOW)
    if end == 0:
        return NoHeader.INCOMPLETE  # it may become version 2
    if end > 0:
        return _parse_v1(data[: end + 2])
    return NoHeader.MISSING if len(data) > _MOST_V1 else NoHeader.INCOMPLETE


def may_be_header(data: bytes, versions: tuple[int, ...] = (1, 2)) -> bool:
    """Whether *data* begins, as far as it goes, like a header of one of *versions*."""
    signatures = {1: V1_SIGNATURE, 2: V2_SIGNATURE}
    return any(signatures[version].startswith(data[: len(signatures[version])]) for version in versions)


def _parse_v1(line: bytes) -> ProxyHeader | NoHeader:
    if len(line) > _MOST_V1:
        return NoHeader.BROKEN_V1
    parts = line.decode("latin-1").rstrip(" \t\n\v\f\r").split(" ")
    if len(parts) < 2 or parts[0] != "PROXY":
        return NoHeader.BROKEN_V1
    if parts[1] == "UNKNOWN":
        return ProxyHeader(1, len(line))
    family = _FAMILIES.get(parts[1])
    if family is None or len(parts) != 6:
        return NoHeader.BROKEN_V1
    try:
        source, destination = (_address(family(host), _port(port)) for host, port in zip(parts[2:4], parts[4:6], strict=True))
    except ValueError:
        return NoHeader.BROKEN_V1
    return ProxyHeader(1, len(line), source, destination)


def _port(text: str) -> int:
    if _PORT.fullmatch(text) is None or (port := int(text)) > _MOST_PORT:
        raise ValueError(text)
    return port


def _address(ip: IPv4Address | IPv6Address, port: int) -> SocketAddress:
    """Raises ValueError for what no TCP connection can have as one of its ends."""
    if ip.is_unspecified or ip.is_multicast or (isinstance(ip, IPv4Address) and ip == IPv4Address("255.255.255.255")):
        raise ValueError(str(ip))
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        return SocketAddress(f"::ffff:{ip.ipv4_mapped}", port)
    return SocketAddress(str(ip), port)


def _parse_v2(data: bytes) -> ProxyHeader | NoHeader:
    version, command = data[12] >> 4, data[12] & 0xF
    family, transport = data[13] >> 4, data[13] & 0xF
    size = int.from_bytes(data[14:_V2_HEAD])
    if version != 2:
        return NoHeader.BROKEN_V2
    if command == _LOCAL:
        # The balancer speaks for itself; whatever it adds means nothing.
        return ProxyHeader(2, _V2_HEAD + size) if len(data) >= _V2_HEAD + size else NoHeader.INCOMPLETE
    width = _ADDRESS_SIZES.get(family, 0)
    if not width or size < 2 * width + 4:
        return NoHeader.BROKEN_V2
    if len(data) < _V2_HEAD + size:
        return NoHeader.INCOMPLETE
    if command != _PROXY or transport not in (_STREAM, _DATAGRAM):
        return NoHeader.BROKEN_V2
    return _parse_v2_body(data[_V2_HEAD : _V2_HEAD + size], width)


def _parse_v2_body(body: bytes, width: int) -> ProxyHeader | NoHeader:
    """width: bytes of an address."""
    family = _FAMILIES["TCP4" if width == 4 else "TCP6"]
    ports = body[2 * width : 2 * width + 4]
    try:
        source = _address(family(body[:width]), int.from_bytes(ports[:2]))
        destination = _address(family(body[width : 2 * width]), int.from_bytes(ports[2:]))
        tlvs = _parse_tlvs(body[2 * width + 4 :])
    except ValueError:
        return NoHeader.BROKEN_V2
    return ProxyHeader(2, _V2_HEAD + len(body), source, destination, tlvs)


def _parse_tlvs(data: bytes) -> tuple[tuple[int, bytes], ...]:
    """Raises ValueError where *data* ends too early."""
    found = []
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at + 1 : at + 3])
        value = data[at + 3 : at + 3 + size]
        if len(data) < at + 3 or len(value) < size:
            raise ValueError("a TLV is cut off")
        found.append((data[at], value))
        at += 3 + size
    return tuple(found)
