"""So many connections and no more.  Envoy: envoy.filters.network.connection_limit.

The limit is that of one configuration, over all workers: chains that are configured alike have one each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from envoy.config.core.v3.base_pb2 import RuntimeFeatureFlag
from envoy.extensions.filters.network.connection_limit.v3.connection_limit_pb2 import ConnectionLimit as ConnectionLimitConfig

from dataplane.api.network_filter import CountingFilter, count_name
from dataplane.api.registry import extension
from dataplane.base.counts import Count, LocalCount
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.filter_chain import NETWORK_FILTER_KIND
from dataplane.compile.support import supports
from dataplane.compile.units import seconds_or, wrapped

if TYPE_CHECKING:
    from dataplane.api.network_filter import DownstreamConnection
    from dataplane.base.deadlines import Deadline
    from dataplane.observe.stats import StatsStore

supports(ConnectionLimitConfig, "stat_prefix", "max_connections", "delay", "runtime_enabled")
supports(RuntimeFeatureFlag, "default_value", "runtime_key")

_CLOSE_REASON: Final = "over_connection_limit"


class _Stats:
    """`connection_limit.<stat_prefix>.`"""

    def __init__(self, store: StatsStore, stat_prefix: str) -> None:
        scope = store.scope(f"connection_limit.{stat_prefix}.")
        self.active: Final = scope.gauge("active_connections")
        self.limited: Final = scope.counter("limited_connections")


class ConnectionLimit(CountingFilter):
    """Implements api.network_filter.ReadFilterFactory, and counts what it let in.  delay: seconds before a connection is turned away."""

    __slots__ = ("_count", "delay", "enabled", "limit", "stat_prefix")

    def __init__(self, stat_prefix: str, limit: int, delay: float = 0.0, enabled: bool = True) -> None:
        self.stat_prefix = stat_prefix
        self.limit = limit
        self.delay = delay
        self.enabled = enabled
        self._count: Count | None = None

    def create(self, connection: DownstreamConnection) -> LimitedConnection:
        return LimitedConnection(self, _Stats(connection.server.stats, self.stat_prefix), connection)

    def count(self, connection: DownstreamConnection) -> Count:
        """Of the connections that it let in; found by the first of them."""
        if self._count is None:
            shared = connection.server.shared
            found = None if shared is None else shared.filter(count_name(connection.listener, connection.filter_chain, self))
            self._count = LocalCount() if found is None else found
        return self._count


class LimitedConnection:
    """Implements api.network_filter.ReadFilter."""

    __slots__ = ("_connection", "_counted", "_deadline", "_limit", "_stats", "rejected")

    def __init__(self, limit: ConnectionLimit, stats: _Stats, connection: DownstreamConnection) -> None:
        self._limit = limit
        self._stats = stats
        self._connection = connection
        self._deadline: Deadline | None = None
        self._counted = limit.enabled and limit.count(connection).take(limit.limit)
        self.rejected = limit.enabled and not self._counted
        if self._counted:
            stats.active.inc()
        if self.rejected:
            self._turn_away()

    def on_data(self, data: bytes) -> bool:
        return not self.rejected

    def on_close(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if self._counted:
            self._counted = False
            self._stats.active.dec()
            self._limit.count(self._connection).add(-1)

    def _turn_away(self) -> None:
        self._stats.limited.inc()
        if self._limit.delay:
            self._deadline = self._connection.server.deadlines.arm(self._limit.delay, self._close)
        else:
            self._close()

    def _close(self) -> None:
        self._deadline = None
        self._connection.info.local_close_reason = _CLOSE_REASON
        self._connection.close()


@extension(NETWORK_FILTER_KIND, ConnectionLimitConfig.DESCRIPTOR.full_name)
def compile_config(config: ConnectionLimitConfig, at: FieldPath, context: CompileContext) -> ConnectionLimit:
    flag = config.runtime_enabled
    default = wrapped(flag, "default_value", True)
    enabled = bool(context.runtime.get(flag.runtime_key, default)) if config.HasField("runtime_enabled") else True
    return ConnectionLimit(
        config.stat_prefix, wrapped(config, "max_connections", 0), seconds_or(config, "delay", 0.0, at), enabled
    )
