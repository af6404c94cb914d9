"""Servers that are named by the request: which name TLS asks for, which the server's certificate has to have, and a pool for each.

Here: names, and the pools of a host by name.  Not here: what pools do (pool), the handshake (extensions.transport_sockets).
Clients choose the names, so pools without a connection go when others come.
Envoy: UpstreamHttpProtocolOptions; Router::Filter::decodeHeaders, TransportSocketOptions.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from dataplane.routing.table import without_port

if TYPE_CHECKING:
    from dataplane.api.upstream import RoutedReceiver
    from dataplane.snapshot.cluster import AutoNames
    from dataplane.upstream.host import UpstreamHost

# As many pools of a host stay although nothing is connected.
_KEPT: Final = 64


class Names(NamedTuple):
    """server_name: to ask for, "" for what is configured.  wanted: in the certificate, "" for what is configured.

    introduction: the PROXY header that tells on whose behalf a connection comes, b"" for nobody's.
    """

    server_name: str = ""
    wanted: str = ""
    introduction: bytes = b""


NO_NAMES: Final = Names()


def names_of(config: AutoNames, receiver: RoutedReceiver) -> Names:
    return _names(config, receiver.named_host(config.header))


@lru_cache(maxsize=1024)
def _names(config: AutoNames, authority: bytes) -> Names:
    """An address is never asked for, as RFC 6066 has it, but may be in a certificate."""
    host = without_port(authority).removeprefix(b"[").removesuffix(b"]").decode("latin-1")
    return Names(host if config.sni and not _is_address(host) else "", host if config.san else "")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def forget_unused(host: UpstreamHost) -> None:
    """Make room for one more pool."""
    if len(host.named_pools) >= _KEPT:
        for key, pool in list(host.named_pools.items()):
            if pool.unused:
                pool.drain()
                del host.named_pools[key]
