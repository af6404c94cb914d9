"""Connections whose filter chain is gone from their listener: counted by chain until the last has ended, closed when their time is over.

They are known here only while they live, so that many changes in a row keep nothing alive that has ended.
Envoy: DrainingFilterChainsManager; listener_manager.total_filter_chains_draining.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataplane.base.deadlines import DeadlineWheel
    from dataplane.listener.connection import Connection
    from dataplane.observe.stats import Gauge


class Leaving:
    """The connections that one change of a listener sent away.  draining: how many of their chains still have connections."""

    __slots__ = ("_chains", "_connections", "_deadline", "_draining")

    def __init__(self, connections: Iterable[Connection], deadlines: DeadlineWheel, drain_time: float, draining: Gauge) -> None:
        self._connections = set(connections)
        self._chains = Counter(connection.filter_chain.identity for connection in self._connections)
        self._draining = draining
        self._deadline = deadlines.arm(drain_time, self._close_all)
        draining.inc(len(self._chains))
        for connection in self._connections:
            connection.leaving = self

    def forget(self, connection: Connection) -> None:
        """It has ended."""
        self._connections.discard(connection)
        chain = connection.filter_chain.identity
        self._chains[chain] -= 1
        if not self._chains[chain]:
            self._draining.dec()
        if not self._connections:
            self._deadline.cancel()

    def _close_all(self) -> None:
        for connection in list(self._connections):
            connection.give_up("filter_chain_is_being_removed")
