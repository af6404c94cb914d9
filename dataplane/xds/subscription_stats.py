"""Statistics of a subscription, by Envoy's names: `update_attempt`, `update_success`, `version` and so on.

Here: what is counted when.  Not here: the prefix, which is the caller's (`cluster_manager.cds.`, `http.<prefix>.rds.<name>.`).
Envoy: configuration/overview/mgmt_server, "xDS subscription statistics".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import xxhash

from dataplane.observe.stats import Counter, Gauge, Histogram, Scope, TextReadout

ScopeOf = Callable[[str], Scope]


@dataclass(frozen=True, slots=True)
class _Bound:
    attempt: Counter
    success: Counter
    failure: Counter
    rejected: Counter
    timeout: Counter
    time: Gauge
    version: Gauge
    version_text: TextReadout
    duration: Histogram

    @classmethod
    def to(cls, scope: Scope) -> _Bound:
        return cls(
            scope.counter("update_attempt"),
            scope.counter("update_success"),
            scope.counter("update_failure"),
            scope.counter("update_rejected"),
            scope.counter("init_fetch_timeout"),
            scope.gauge("update_time"),
            scope.gauge("version"),
            scope.text_readout("version_text"),
            scope.histogram("update_duration", "ms"),
        )


class SubscriptionStats:
    """scope_of: the scope of a wanted name; the wildcard is asked for as `*`.

    is_file: as in Envoy, only reading it is an attempt, and how long that took is not recorded.
    """

    __slots__ = ("_bound", "_is_file", "_scope_of")

    def __init__(self, scope_of: ScopeOf, *, is_file: bool = False) -> None:
        self._scope_of = scope_of
        self._is_file = is_file
        self._bound: dict[str, _Bound] = {}

    def scope(self, name: str) -> Scope:
        return self._scope_of(name)

    def wanted(self, names: Iterable[str]) -> None:
        for stats in self._of(names):
            if not self._is_file:
                stats.attempt.inc()

    def accepted(self, names: Iterable[str], version_info: str, wall: float, took: float) -> None:
        """wall: calendar time.  took: seconds from the arrival of the response."""
        version_hash = xxhash.xxh64_intdigest(version_info.encode())
        for stats in self._of(names):
            stats.attempt.inc()
            stats.success.inc()
            stats.time.set(int(wall * 1000))
            stats.version.set(version_hash)
            stats.version_text.set(version_info)
            if not self._is_file:
                stats.duration.record(round(took * 1000))

    def reloaded(self, names: Iterable[str], wall: float) -> None:
        """An accepted response changed something."""
        for name in names:
            scope = self._scope_of(name)
            scope.counter("config_reload").inc()
            scope.gauge("config_reload_time_ms").set(int(wall * 1000))

    def refused(self, names: Iterable[str]) -> None:
        for stats in self._of(names):
            stats.attempt.inc()
            stats.rejected.inc()

    def failed(self, names: Iterable[str]) -> None:
        """The stream broke, or the file could not be read."""
        for stats in self._of(names):
            stats.attempt.inc()
            stats.failure.inc()

    def timed_out(self, names: Iterable[str]) -> None:
        for stats in self._of(names):
            stats.attempt.inc()
            stats.timeout.inc()

    def dropped(self, names: Iterable[str]) -> None:
        """No longer wanted: the names in the store stay until their owner drops the scope."""
        for name in names:
            self._bound.pop(name, None)

    def _of(self, names: Iterable[str]) -> Iterable[_Bound]:
        for name in names:
            stats = self._bound.get(name)
            if stats is None:
                stats = self._bound[name] = _Bound.to(self._scope_of(name))
            yield stats
