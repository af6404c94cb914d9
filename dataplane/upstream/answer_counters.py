"""Counters of answers by status, made when a status is first seen and then found in one look-up.

Here: `cluster.<name>.upstream_rq_<code>` and its relatives.  Not here: everything counted under a fixed name (upstream.cluster_stats).
Envoy: Http::CodeStatsImpl::chargeResponseStat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dataplane.observe.stats import Counter, Histogram, Scope
    from dataplane.router.virtual_clusters import VirtualClusterStats


class AnswerCounters:
    """Of one cluster, or virtual cluster.  internal: the request came from inside (x-envoy-internal).  canary: it was answered by one."""

    __slots__ = ("_answers", "_times", "scope", "virtual")

    def __init__(self, scope: Scope) -> None:
        """scope: `cluster.<name>.`"""
        self.scope: Final = scope
        self.virtual: VirtualClusterStats | None = None  # what else counts the request (router.virtual_clusters)
        self._answers: dict[tuple[int, bool, str, bool], tuple[Counter, ...]] = {}
        self._times: dict[tuple[bool, str, bool], tuple[Histogram, ...]] = {}

    def count(self, status: int, internal: bool, alt_name: str = "", canary: bool = False) -> None:
        key = (status, internal, alt_name, canary)
        counters = self._answers.get(key)
        if counters is None:
            counters = self._answers[key] = self._make(status, internal, alt_name, canary)
        for counter in counters:
            counter.value += 1

    def record_time(self, milliseconds: int, internal: bool, alt_name: str = "", canary: bool = False) -> None:
        key = (internal, alt_name, canary)
        histograms = self._times.get(key)
        if histograms is None:
            prefixes = _prefixes(internal, alt_name, canary)
            histograms = self._times[key] = tuple(self.scope.histogram(f"{prefix}upstream_rq_time") for prefix in prefixes)
        for histogram in histograms:
            histogram.record(milliseconds)

    def count_plain(self, status: int) -> None:
        """Without regard to who asked and who answered."""
        for name in _names(status):
            self.scope.counter(name).inc()

    def record_plain_time(self, milliseconds: int) -> None:
        self.scope.histogram("upstream_rq_time").record(milliseconds)

    def count_retried(self, status: int) -> None:
        """An answer that was not passed on because the request is tried again."""
        for name in _names(status):
            self.scope.counter(f"retry.{name}").inc()

    def _make(self, status: int, internal: bool, alt_name: str, canary: bool) -> tuple[Counter, ...]:
        prefixes = _prefixes(internal, alt_name, canary)
        return tuple(self.scope.counter(prefix + name) for prefix in prefixes for name in _names(status))


def _names(status: int) -> tuple[str, str, str]:
    return "upstream_rq_completed", f"upstream_rq_{status // 100}xx", f"upstream_rq_{status}"


def _prefixes(internal: bool, alt_name: str, canary: bool) -> list[str]:
    kinds = ["", "internal." if internal else "external.", *(["canary."] if canary else [])]
    return [name + kind for name in (["", f"{alt_name}."] if alt_name else [""]) for kind in kinds]
