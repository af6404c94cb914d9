"""How many connections all listeners together may have.

Not here: which listeners it does not count (`Listener.ignore_global_conn_limit`, listener.listener).
Envoy: envoy.resource_monitors.global_downstream_max_connections, runtime key overload.global_downstream_max_connections.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

from dataplane.base.counts import Count, LocalCount
from dataplane.observe.stats import StatsStore

_MONITOR: Final = "overload.envoy.resource_monitors.global_downstream_max_connections."


class ConnectionLimit:
    """Whoever takes one gives it back.  count: of all processes that accept, where there are others."""

    __slots__ = ("_count", "_failed_updates", "_limit")

    def __init__(self, limit: int, stats: StatsStore, count: Count | None = None) -> None:
        self._limit = limit
        self._count = LocalCount() if count is None else count
        self._failed_updates = stats.counter(_MONITOR + "failed_updates")

    def take(self) -> bool:
        """Whether there may be one more."""
        if self._count.take(self._limit):
            return True
        self._failed_updates.inc()
        return False

    def give_back(self) -> None:
        self._count.add(-1)


class Unwanted(asyncio.Protocol):
    """A connection beyond the limit: closed without a word, as Envoy does."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()
