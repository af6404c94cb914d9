"""How many connections all listeners together may have.

Not here: which listeners it does not count (`Listener.ignore_global_conn_limit`, listener.listener).
Envoy: envoy.resource_monitors.global_downstream_max_connections, runtime key overload.global_downstream_max_connections.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

from dataplane.observe.stats import StatsStore

_MONITOR: Final = "overload.envoy.resource_monitors.global_downstream_max_connections."


class ConnectionLimit:
    """Whoever takes one gives it back."""

    __slots__ = ("_failed_updates", "_limit", "_taken")

    def __init__(self, limit: int, stats: StatsStore) -> None:
        self._limit = limit
        self._taken = 0
        self._failed_updates = stats.counter(_MONITOR + "failed_updates")

    def take(self) -> bool:
        """Whether there may be one more."""
        if self._taken >= self._limit:
            self._failed_updates.inc()
            return False
        self._taken += 1
        return True

    def give_back(self) -> None:
        assert self._taken
        self._taken -= 1


class Unwanted(asyncio.Protocol):
    """A connection beyond the limit: closed without a word, as Envoy does."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()
