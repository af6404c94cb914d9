"""Which pool a request of a cluster goes to, by protocol and routing priority.

Here: the slots of a host, and making the pool of one.  Not here: what pools do (pool, pool_h1, pool_h2).
Envoy: ClusterManagerImpl::httpConnPoolIsIdle and its map of pools; HttpProtocolOptions.upstream_protocol_options.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Protocol

from dataplane.base.write_queue import WriteQueue
from dataplane.observe.http2_stats import Http2Stats
from dataplane.upstream.pool_auto import AutoPool, HandedOver
from dataplane.upstream.pool_h1 import H1Pool
from dataplane.upstream.pool_h2 import H2Pool
from dataplane.upstream.pool_settings import Http2Settings

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from dataplane.api.upstream import Pending, ResponseReceiver
    from dataplane.observe.stats import Scope
    from dataplane.resilience.circuit import Breakers
    from dataplane.snapshot.cluster import Cluster
    from dataplane.upstream.host import UpstreamHost
    from dataplane.upstream.pool import HttpPool
    from dataplane.upstream.pool_auto import Outcome
    from dataplane.upstream.pool_settings import PoolSettings
    from dataplane.upstream.runtime import UpstreamRuntime

_PRIORITIES: Final = 2

AS_DOWNSTREAM: Final = -1
FIRST_SLOTS: Final = {"HTTP/1.1": 0, "HTTP/2": _PRIORITIES, "AUTO": 2 * _PRIORITIES, "DOWNSTREAM": AS_DOWNSTREAM}
"""Where the pools of a cluster begin among those of a host, by what it speaks; one for each routing priority."""

ALPN: Final = (("http/1.1",), ("http/1.1",), ("h2",), ("h2",), ("h2", "http/1.1"), ("h2", "http/1.1"))
"""What TLS asks for by default, by slot."""


class Pool(Protocol):
    """What a cluster asks of a host's pool, whatever it speaks.  unused: nobody waits in it, nothing is connected."""

    draining: bool

    @property
    def unused(self) -> bool: ...

    def new_stream(self, receiver: ResponseReceiver) -> Pending | None:
        """As upstream.cluster.UpstreamCluster.open_stream, once the host is chosen."""

    def drain(self) -> None: ...

    def close(self) -> None: ...


def make_pool(
    host: UpstreamHost,
    slot: int,
    settings_for: Callable[[int], PoolSettings],
    breakers: Breakers,
    on_empty: Callable[[Pool], None],
    loop: asyncio.AbstractEventLoop,
) -> Pool:
    """settings_for: by slot."""
    if slot < FIRST_SLOTS["AUTO"]:
        return _of_one_protocol(host, slot, settings_for(slot), breakers, on_empty)

    def choose(protocol: str, outcome: Outcome, on_chosen_empty: Callable[[Pool], None]) -> HttpPool[Any]:
        chosen = FIRST_SLOTS[protocol]
        settings = settings_for(chosen)
        handed = replace(settings, connector=HandedOver(settings.connector, outcome, loop))
        return _of_one_protocol(host, chosen, handed, breakers, on_chosen_empty)

    return AutoPool(host, settings_for(slot).connector, breakers, choose, on_empty)


def _of_one_protocol(
    host: UpstreamHost, slot: int, settings: PoolSettings, breakers: Breakers, on_empty: Callable[[Pool], None]
) -> HttpPool[Any]:
    if slot < FIRST_SLOTS["HTTP/2"]:
        return H1Pool(host, settings, breakers, on_empty)
    assert settings.http2 is not None
    return H2Pool(host, settings, settings.http2, breakers, on_empty)


def pools_of(host: UpstreamHost) -> list[Pool]:
    """All pools of *host*."""
    return [pool for pool in host.pools if pool is not None] + list(host.named_pools.values())


def http2_settings(config: Cluster, runtime: UpstreamRuntime, scope: Scope) -> Http2Settings | None:
    """None where the cluster speaks HTTP/1.1 only.  scope: of the cluster's statistics."""
    http = config.http
    if http.protocol == "HTTP/1.1":
        return None
    return Http2Settings(
        stats=cache(lambda: Http2Stats(scope)),
        writes=WriteQueue(runtime.loop.call_soon),
        chance=runtime.chance,
        options=http.http2,
        max_headers_count=http.max_headers_count,
        # As Envoy, which holds as much of a request as it would take of a response.
        buffer_limit=max(config.per_connection_buffer_limit, http.http2.initial_stream_window_size),
    )
