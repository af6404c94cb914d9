"""IP addresses in ranges.  Envoy: config.core.v3.CidrRange.

Here: parsing addresses to numbers and the question whether ranges hold one.  Not here: which range is the best of several
(routing.filter_chain_match).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})
"""What Envoy takes for the loopback: not the rest of 127.0.0.0/8."""

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network


def parse_address(text: str) -> IpAddress | None:
    """An address, None for anything else; an IPv4 address mapped into IPv6 is taken as IPv4, as Envoy does for peers."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def network(address_prefix: str, prefix_length: int) -> IpNetwork:
    """The range; bits beyond the prefix are cleared.  ValueError for what is no address or a length beyond the family's."""
    address = ipaddress.ip_address(address_prefix)
    return ipaddress.ip_network((address, min(prefix_length, address.max_prefixlen)), strict=False)


class CidrSet:
    """A set of ranges."""

    __slots__ = ("_by_version", "networks")

    def __init__(self, networks: Iterable[IpNetwork]) -> None:
        self.networks = tuple(networks)
        self._by_version: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        for net in self.networks:
            self._by_version[net.version].append((int(net.network_address), int(net.netmask)))

    def __contains__(self, address: object) -> bool:
        if not isinstance(address, IPv4Address | IPv6Address):
            return False
        number = int(address)
        return any(number & mask == start for start, mask in self._by_version[address.version])
