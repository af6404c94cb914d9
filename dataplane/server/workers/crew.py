"""The main process's side of the workers, as the assembly and the admin endpoint use it.

Here: how board, fleet, sockets and sums are tied together.  Not here: what each of them does.  The order of things: FLOW.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from dataplane.compile.bootstrap import Bootstrap
from dataplane.listener.manager import BindSockets
from dataplane.listener.options import bind_one
from dataplane.server import watchdog
from dataplane.server.engine import Engine
from dataplane.server.options import Options
from dataplane.server.sums import Sums
from dataplane.server.watchdog import Alarms, names_of_worker
from dataplane.server.workers.board import Board, Key
from dataplane.server.workers.facts import merged_clusters
from dataplane.server.workers.fleet import Fleet
from dataplane.server.workers.messages import ReopenLogs, ResetCounters
from dataplane.server.workers.publish import FindingsPublisher, Publisher
from dataplane.server.workers.shared_counts import Allotment, Counts, CountTable
from dataplane.server.workers.shared_failures import FailureBlocks, FailureTable
from dataplane.server.workers.sockets import KeptSockets
from dataplane.server.workers.spawn import Spawned
from dataplane.upstream.facts import ClusterFacts


class Crew:
    """Made inside the running loop.  spawned: processes that were started already.  bind: makes listening sockets."""

    def __init__(
        self, options: Options, bootstrap: Bootstrap, spawned: Sequence[Spawned] = (), bind: BindSockets = bind_one
    ) -> None:
        board = self._board = Board()
        count = options.concurrency
        allotment = Allotment(CountTable.create(count))
        failures = FailureBlocks(FailureTable.create(count))
        sink = FindingsPublisher(board, failures, self._wake, self._had_traffic)
        self.engine = Engine(options, bootstrap, sink=sink, shared=Counts(allotment.table, allotment))
        self.fleet = Fleet(
            count,
            options,
            bootstrap.SerializeToString(),
            board,
            allotment,
            failures.table.descriptor,
            self.engine.stats,
            self.engine.clusters.take_outliers,
            spawned,
        )
        self.listeners = KeptSockets(count, board, self.fleet, self.engine.stats, bind)
        self.follower = Publisher(board, allotment, sink, self.fleet.wake)
        alarms = [Alarms(self.engine.stats, names_of_worker(number)) for number in range(count)]
        self.watchdog = watchdog.Workers(self.engine.config.watchdogs.worker, alarms, self.fleet.beats, self.fleet.abort)
        self.sums = Sums(self.engine.stats, lambda: self.fleet.stats.values(), self.fleet.departed)

    async def ask(self, what: Literal["stats", "clusters"]) -> None:
        """Hear what the workers know now: for `sums`, or for `clusters`."""
        await self.fleet.ask(what)

    async def keep_asking(self) -> None:
        """So that little of what a worker counted is lost with it.  Until cancelled."""
        while True:
            await asyncio.sleep(self.engine.config.stats_flush_interval)
            await self.fleet.ask("stats")

    def clusters(self, names: Iterable[str] | None = None) -> list[ClusterFacts]:
        """As `ClusterManager.facts`, with what the workers have told."""
        return merged_clusters(self.engine.clusters.facts(names), self.fleet.clusters)

    def show_shared(self) -> None:
        """Bring the gauges of what the workers count together up to date."""
        self.engine.clusters.show_breakers()

    @property
    def resident(self) -> int:
        """Bytes of memory that the workers have."""
        return sum(stats.resident for stats in self.fleet.stats.values())

    def reopen_logs(self) -> None:
        self.engine.log_files.reopen()
        self.fleet.tell(ReopenLogs())

    def reset_counters(self) -> None:
        self.fleet.tell(ResetCounters())
        self.fleet.reset_counters()

    def set_levels(self, levels: Mapping[str, int]) -> None:
        """Levels of the process's log by component: of all that differ from what the workers were started with."""
        self._board.put(Key("levels"), dict(levels))
        self.fleet.wake()

    def _wake(self) -> None:
        self.fleet.wake()

    def _had_traffic(self, stat_name: str) -> bool:
        name = f"cluster.{stat_name}.upstream_cx_total"
        return any(stats.counters.get(name) for stats in (*self.fleet.stats.values(), self.fleet.departed))
