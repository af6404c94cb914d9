"""What a worker tells of its stats: what has changed since it last told.

A configuration of thousands of clusters has a million stats, most of which never change: they are looked through in slices, so that
requests do not wait for a report.  Not here: adding workers up (merge).
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterable, Mapping
from typing import Any, Final

from dataplane.observe.stats import Histogram, StatsStore
from dataplane.server.workers.messages import HistogramReport, StatsReport

_SLICE: Final = 4000


class Reporter:
    """Remembers what it told.  Reports must not overlap."""

    def __init__(self, stats: StatsStore) -> None:
        self._stats = stats
        self._told: dict[str, object] = {}

    async def report(self, connections: int) -> StatsReport:
        """connections: how many are open downstream."""
        stats = self._stats
        counters = await self._changed((each.name, each.value) for each in list(stats.counters.values()))
        gauges = await self._changed((each.name, (each.value, each.used)) for each in list(stats.gauges.values()))
        texts = await self._changed((each.name, (each.value, each.used)) for each in list(stats.text_readouts.values()))
        # A histogram's interval ends without a new record, so it is told as often as that changes.
        marks = await self._changed((each.name, _mark(each)) for each in list(stats.histograms.values()))
        histograms = {name: _told(stats.histograms[name]) for name in marks if name in stats.histograms}
        return StatsReport(counters, gauges, texts, histograms, self._gone(), connections, resident())

    async def _changed(self, values: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        told, changed = self._told, {}
        for number, (name, value) in enumerate(values):
            if told.get(name) != value:
                changed[name] = told[name] = value
            if number % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
        return changed

    def _gone(self) -> tuple[str, ...]:
        stats = self._stats
        families: tuple[Mapping[str, object], ...] = (stats.counters, stats.gauges, stats.text_readouts, stats.histograms)
        if len(self._told) == sum(len(family) for family in families):
            return ()
        gone = tuple(name for name in self._told if not any(name in family for family in families))
        for name in gone:
            del self._told[name]
        return gone


def _mark(histogram: Histogram) -> tuple[int, int, int]:
    return histogram.count, histogram.total, sum(histogram.interval.values())


def _told(histogram: Histogram) -> HistogramReport:
    return HistogramReport(histogram.unit, dict(histogram.counts), histogram.total, dict(histogram.interval))


def resident() -> int:
    """Bytes of memory that the process has."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()
