"""Names to IP addresses by c-ares, as Envoy does it: /etc/hosts first, then the name servers.

Here: one name, one answer.  Not here: when to ask again and what follows from an answer (dns_discovery).
A name that does not exist is an answer without addresses; only a name server that fails or stays silent is a failure.
Envoy: config.core.v3.DnsResolverOptions, Cluster.DnsLookupFamily.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aiodns
import pycares

if TYPE_CHECKING:
    import asyncio

    from dataplane.base.address import Address

# Families to ask for, in order; with "ALL" every answer counts, otherwise the first that has addresses.
_FAMILIES: Final = {
    "AUTO": (socket.AF_INET6, socket.AF_INET),
    "V4_ONLY": (socket.AF_INET,),
    "V6_ONLY": (socket.AF_INET6,),
    "V4_PREFERRED": (socket.AF_INET, socket.AF_INET6),
    "ALL": (socket.AF_INET, socket.AF_INET6),
}
_NO_ADDRESS: Final = frozenset({pycares.errno.ARES_ENODATA, pycares.errno.ARES_ENOTFOUND, pycares.errno.ARES_ENONAME})


class DnsFailure(Exception):
    """No name server gave an answer."""


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """addresses: IP literals, in the order of the answer.  ttl: seconds, the smallest of the records; 0 where nothing was said."""

    addresses: tuple[str, ...]
    ttl: float = 0.0


class Resolver:
    """Resolves names.  servers: empty for those of the system."""

    __slots__ = ("_resolver",)

    def __init__(self, loop: asyncio.AbstractEventLoop, servers: Sequence[Address] = ()) -> None:
        self._resolver = aiodns.DNSResolver([str(server) for server in servers] or None, loop=loop)

    async def resolve(self, name: str, family: str) -> DnsAnswer:
        """family: as in Cluster.DnsLookupFamily.  Raises DnsFailure."""
        if is_ip(name):
            return DnsAnswer((name,))
        addresses: list[str] = []
        ttls: list[float] = []
        for wanted in _FAMILIES[family]:
            for address, ttl in await self._lookup(name, wanted):
                addresses.append(address)
                ttls.append(ttl)
            if addresses and family != "ALL":
                break
        return DnsAnswer(tuple(dict.fromkeys(addresses)), min(ttls, default=0.0))

    async def _lookup(self, name: str, family: socket.AddressFamily) -> list[tuple[str, float]]:
        try:
            found = await self._resolver.getaddrinfo(name, family=family, type=socket.SOCK_STREAM)
        except aiodns.error.DNSError as error:
            if error.args and error.args[0] in _NO_ADDRESS:
                return []
            raise DnsFailure(f"{name}: {error.args[-1] if error.args else error}") from error
        return [(node.addr[0].decode(), float(node.ttl)) for node in found.nodes]

    async def close(self) -> None:
        await self._resolver.close()


def is_ip(text: str) -> bool:
    """Whether *text* needs no resolving."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
