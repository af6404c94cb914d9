"""The stats of all processes as one: what the main process counts, and the sum of what its workers told.

Here: which numbers add up and which do not, and what is left of workers that died.  Not here: asking (fleet).
Counters and histograms never go down: what a dead worker told last stays in the sums.
"""

from __future__ import annotations

from collections import Counter as Tally
from typing import Final

from dataplane.observe.stats import Counter, Gauge, Histogram, StatsStore, TextReadout
from dataplane.server.workers.messages import HistogramReport, StatsReport

# The main process lives by the same configuration as the workers, and its numbers are everyone's.
_OF_MAIN: Final = ("cluster_manager.", "listener_manager.", "runtime.", "pointsman.")

# Workers count these together, and the main process shows how far they are.
_SHARED: Final = ".circuit_breakers."

# What everybody finds out by the same configuration and endpoints, or one alone (an ORIGINAL_DST cluster has its hosts in the workers).
_HIGHEST_COUNTERS: Final = (".membership_change", ".update_no_rebuild", ".lb_subsets_created", ".lb_subsets_removed")
_HIGHEST: Final = (
    ".membership_total",
    ".max_host_weight",
    ".ring_hash_lb.size",
    "_lb.min_hashes_per_host",
    "_lb.max_hashes_per_host",
    "_lb.min_entries_per_host",
    "_lb.max_entries_per_host",
    ".lb_subsets_active",
    ".lb_subsets_single_host_per_subset_duplicate",
    ".membership_degraded",
    ".membership_excluded",
    "listener_manager.total_filter_chains_draining",
    "listener_manager.total_listeners_draining",
)
# Each worker ejects by itself; the one that sees fewest hosts is told.  None at all is also who has not met any yet.
_LOWEST: Final = (".membership_healthy",)


class WorkerStats:
    """What one worker has told so far."""

    def __init__(self) -> None:
        self.counters: dict[str, int] = {}
        self.gauges: dict[str, tuple[int, bool]] = {}
        self.texts: dict[str, tuple[str, bool]] = {}
        self.histograms: dict[str, HistogramReport] = {}
        self.connections = 0
        self.resident = 0

    def take(self, report: StatsReport) -> None:
        self.counters.update(report.counters)
        self.gauges.update(report.gauges)
        self.texts.update(report.texts)
        self.histograms.update(report.histograms)
        for name in report.gone:
            for family in (self.counters, self.gauges, self.texts, self.histograms):
                family.pop(name, None)
        self.connections = report.connections
        self.resident = report.resident

    def add_counts(self, other: WorkerStats) -> None:
        """Keep what *other*, which is gone, has counted."""
        for name, value in other.counters.items():
            self.counters[name] = self.counters.get(name, 0) + value
        for name, theirs in other.histograms.items():
            ours = self.histograms.get(name)
            self.histograms[name] = theirs if ours is None else _added(ours, theirs)

    def reset_counters(self) -> None:
        self.counters = dict.fromkeys(self.counters, 0)


def merge_into(
    merged: StatsStore, own: StatsStore, workers: list[WorkerStats], departed: WorkerStats, predecessor: WorkerStats
) -> None:
    """Make *merged* show the sum.

    own: of the main process.  departed: counts of workers that are gone.  predecessor: of the process before this one, as a whole.
    """
    merged.counters = _counters(own, [*workers, departed], predecessor)
    merged.gauges = _gauges(own, [*workers, predecessor])
    merged.text_readouts = _texts(own, workers)
    merged.histograms = _histograms(own, [*workers, departed])


def _counters(own: StatsStore, workers: list[WorkerStats], predecessor: WorkerStats) -> dict[str, Counter]:
    sums: Tally[str] = Tally(predecessor.counters)
    highest: dict[str, int] = {}
    for worker in workers:
        for name, value in worker.counters.items():
            if name.endswith(_HIGHEST_COUNTERS):
                highest[name] = max(value, highest.get(name, 0))
            elif not _is_mains(name):
                sums[name] += value
    merged = {}
    for name in {**own.counters, **sums, **highest}:
        stat = merged[name] = Counter(name)
        value = own.counters[name].value if name in own.counters else 0
        stat.value = sums[name] + max(value, highest.get(name, 0))
    return merged


def _gauges(own: StatsStore, workers: list[WorkerStats]) -> dict[str, Gauge]:
    told: dict[str, list[tuple[int, bool]]] = {name: [(stat.value, stat.used)] for name, stat in own.gauges.items()}
    for worker in workers:
        for name, value in worker.gauges.items():
            if name not in told:
                told[name] = [value]
            elif not _is_mains(name) or name.endswith(_HIGHEST):
                told[name].append(value)
    merged = {}
    for name, values in told.items():
        stat = merged[name] = Gauge(name)
        stat.value = _combined(name, [value for value, _ in values])
        stat.used = any(used for _, used in values)
    return merged


def _combined(name: str, values: list[int]) -> int:
    if name.endswith(_HIGHEST):
        return max(values)
    if name.endswith(_LOWEST):
        return min(filter(None, values), default=0)
    return sum(values)


def _texts(own: StatsStore, workers: list[WorkerStats]) -> dict[str, TextReadout]:
    told = {name: value for worker in workers for name, value in worker.texts.items()}
    told.update({name: (stat.value, stat.used) for name, stat in own.text_readouts.items()})
    merged = {}
    for name, (value, used) in told.items():
        stat = merged[name] = TextReadout(name)
        stat.value, stat.used = value, used
    return merged


def _histograms(own: StatsStore, workers: list[WorkerStats]) -> dict[str, Histogram]:
    sums = {name: HistogramReport(each.unit, each.counts, each.total, each.interval) for name, each in own.histograms.items()}
    for worker in workers:
        for name, report in worker.histograms.items():
            sums[name] = _added(sums[name], report) if name in sums else report
    merged = {}
    for name, report in sums.items():
        stat = merged[name] = Histogram(name, report.unit)
        stat.counts, stat.total, stat.interval = dict(report.counts), report.total, dict(report.interval)
    return merged


def _added(one: HistogramReport, other: HistogramReport) -> HistogramReport:
    counts, interval = Tally(one.counts), Tally(one.interval)
    counts.update(other.counts)
    interval.update(other.interval)
    return HistogramReport(one.unit, counts, one.total + other.total, interval)


def _is_mains(name: str) -> bool:
    return name.startswith(_OF_MAIN) or _SHARED in name
