"""The statistics that are shown where one process's own are not all: with workers, or after a hot restart.

Here: what is added up.  Not here: which numbers add up (workers.merge), who tells them (workers.fleet, hot_restart).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from dataplane.observe.stats import StatsStore
from dataplane.server.workers.merge import WorkerStats, merge_into


class Sums:
    """own: of this process.  workers: what the living have told.  departed: counts of those that are gone."""

    def __init__(
        self,
        own: StatsStore,
        workers: Callable[[], Iterable[WorkerStats]] = tuple,
        departed: WorkerStats | None = None,
    ) -> None:
        self._own = own
        self._workers = workers
        self._departed = departed or WorkerStats()
        self._predecessor = WorkerStats()
        self._not_counted: Mapping[str, int] = {}  # of the predecessor: what it had when the counters were reset
        self.shown = StatsStore()
        """The sum, as of the last `sum_up`."""

    def sum_up(self) -> None:
        merge_into(self.shown, self._own, list(self._workers()), self._departed, self._predecessor)

    def take_predecessor(self, report: Mapping[str, Mapping[str, int]]) -> None:
        """What the process before this one has told now: totals by kind; a kind that is missing stays as it was."""
        if "counters" in report:
            counted = report["counters"].items()
            self._predecessor.counters = {name: value - self._not_counted.get(name, 0) for name, value in counted}
        if "gauges" in report:
            self._predecessor.gauges = {name: (value, True) for name, value in report["gauges"].items()}

    @property
    def predecessor_connections(self) -> int:
        """How many downstream connections the process before this one has."""
        return self._predecessor.gauges.get("server.total_connections", (0, False))[0]

    def reset_counters(self) -> None:
        """Of this process, and of those that are gone."""
        self._own.reset_counters()
        self._departed.reset_counters()
        before = self._predecessor.counters
        self._not_counted = {name: value + self._not_counted.get(name, 0) for name, value in before.items()}
        self._predecessor.counters = {}
