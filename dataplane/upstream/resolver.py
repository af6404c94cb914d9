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
_CHANNEL_AGE: Final = 1.0
_NO_ADDRESS: Final = frozenset({pycares.errno.ARES_ENODATA, pycares.errno.ARES_ENOTFOUND, pycares.errno.ARES_ENONAME})


class DnsFailure(Exception):
    """No name server gave an answer."""


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """addresses: IP literals, in the order of the answer.  ttl: seconds, the smallest of the records; 0 where nothing was said."""

    addresses: tuple[str, ...]
    ttl: float = 0.0


class _Channel:
    """A c-ares channel, and how many questions are under way on it."""

    __slots__ = ("asked", "made_at", "resolver")

    def __init__(self, resolver: aiodns.DNSResolver, made_at: float) -> None:
        self.resolver = resolver
        self.made_at = made_at
        self.asked = 0


class Resolver:
    """Resolves names.  servers: empty for those of the system.

    c-ares keeps answers for as long as their TTL says and cannot be told not to; a cluster that asks every five seconds wants to know
    what is true now.  So a channel is used for a second and then replaced.
    """

    __slots__ = ("_channel", "_loop", "_servers")

    def __init__(self, loop: asyncio.AbstractEventLoop, servers: Sequence[Address] = ()) -> None:
        self._loop = loop
        self._servers = [str(server) for server in servers] or None
        self._channel = self._open()

    def _open(self) -> _Channel:
        return _Channel(aiodns.DNSResolver(self._servers, loop=self._loop), self._loop.time())

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
        channel = await self._fresh_channel()
        channel.asked += 1
        try:
            found = await channel.resolver.getaddrinfo(name, family=family, type=socket.SOCK_STREAM)
        except aiodns.error.DNSError as error:
            if error.args and error.args[0] in _NO_ADDRESS:
                return []
            raise DnsFailure(f"{name}: {error.args[-1] if error.args else error}") from error
        finally:
            channel.asked -= 1
            await self._close_if_done(channel)
        return [(node.addr[0].decode(), float(node.ttl)) for node in found.nodes]

    async def _fresh_channel(self) -> _Channel:
        before = self._channel
        if self._loop.time() - before.made_at >= _CHANNEL_AGE:
            self._channel = self._open()
            await self._close_if_done(before)
        return self._channel

    async def _close_if_done(self, channel: _Channel) -> None:
        if channel is not self._channel and not channel.asked:
            await channel.resolver.close()

    async def close(self) -> None:
        await self._channel.resolver.close()


def is_ip(text: str) -> bool:
    """Whether *text* needs no resolving."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
