"""Which pool a request of a cluster goes to, by protocol and routing priority.

Here: the slots of a host, and making the pool of one.  Not here: what pools do (pool, pool_h1, pool_h2).
Envoy: ClusterManagerImpl::httpConnPoolIsIdle and its map of pools; HttpProtocolOptions.upstream_protocol_options.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dataplane.base.write_queue import WriteQueue
from dataplane.observe.http2_stats import Http2Stats
from dataplane.upstream.pool_h1 import H1Pool
from dataplane.upstream.pool_h2 import H2Pool
from dataplane.upstream.pool_settings import Http2Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataplane.resilience.circuit import Breakers
    from dataplane.snapshot.cluster import Cluster
    from dataplane.upstream.cluster import UpstreamRuntime
    from dataplane.upstream.host import UpstreamHost
    from dataplane.upstream.pool import HttpPool
    from dataplane.upstream.pool_settings import PoolSettings

_PRIORITIES: Final = 2
SLOTS: Final = 2 * _PRIORITIES
"""How many pools a host may have: two routing priorities, for HTTP/1.1 first and then for HTTP/2."""

AS_DOWNSTREAM: Final = -1
FIRST_SLOTS: Final = {"HTTP/1.1": 0, "HTTP/2": _PRIORITIES, "DOWNSTREAM": AS_DOWNSTREAM}
"""Where the pools of a cluster begin, by what it speaks."""

ALPN: Final = (("http/1.1",), ("http/1.1",), ("h2",), ("h2",))
"""What TLS asks for by default, by slot."""


def make_pool(
    host: UpstreamHost,
    slot: int,
    settings: PoolSettings,
    breakers: Breakers,
    on_empty: Callable[[HttpPool[Any]], None],
) -> HttpPool[Any]:
    pool: HttpPool[Any]
    if slot >= _PRIORITIES:
        assert settings.http2 is not None
        pool = H2Pool(host, settings, settings.http2, breakers, on_empty)
    else:
        pool = H1Pool(host, settings, breakers, on_empty)
    host.pools[slot] = pool
    return pool


def http2_settings(config: Cluster, runtime: UpstreamRuntime) -> Http2Settings | None:
    """None where the cluster speaks HTTP/1.1 only."""
    http = config.http
    if http.protocol == "HTTP/1.1":
        return None
    return Http2Settings(
        stats=Http2Stats(runtime.stats),
        writes=WriteQueue(runtime.loop.call_soon),
        chance=runtime.chance,
        options=http.http2,
        max_headers_count=http.max_headers_count,
        buffer_limit=config.per_connection_buffer_limit,
    )
