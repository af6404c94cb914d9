"""Outlier detection: which hosts misbehave, for how long each is ejected.

Here: counting results, deciding, statistics over a cluster; time and chance are arguments.  Not here: setting flags, timers (upstream.outlier).
Envoy: config.cluster.v3.OutlierDetection; intro/arch_overview/upstream/outlier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Final

from dataplane.base.failures import ERRORS, GATEWAY_ERRORS, KINDS, LOCAL_FAILURES, LocalFailures

if TYPE_CHECKING:
    from dataplane.base.failures import Failures

_GATEWAY_FAILURES: Final = frozenset({502, 503, 504})

# What counts for an HTTP status where failures of our own making are not counted apart.
TIMED_OUT: Final = 504
NOT_CONNECTED: Final = 503


class Ejection(Enum):
    """Why a host is ejected.  The value is the end of its stats' names."""

    CONSECUTIVE_5XX = "consecutive_5xx"
    CONSECUTIVE_GATEWAY_FAILURE = "consecutive_gateway_failure"
    CONSECUTIVE_LOCAL_ORIGIN_FAILURE = "consecutive_local_origin_failure"
    SUCCESS_RATE = "success_rate"
    LOCAL_ORIGIN_SUCCESS_RATE = "local_origin_success_rate"
    FAILURE_PERCENTAGE = "failure_percentage"
    LOCAL_ORIGIN_FAILURE_PERCENTAGE = "local_origin_failure_percentage"


@dataclass(frozen=True, slots=True)
class OutlierSettings:
    """Times in seconds, everything else whole numbers as configured: per cent, thousandths of a standard deviation."""

    consecutive_5xx: int = 5
    consecutive_gateway_failure: int = 5
    consecutive_local_origin_failure: int = 5
    interval: float = 10.0
    base_ejection_time: float = 30.0
    max_ejection_time: float = 300.0
    max_ejection_time_jitter: float = 0.0
    max_ejection_percent: int = 10
    always_eject_one_host: bool = False
    split_external_local_origin_errors: bool = False
    success_rate_minimum_hosts: int = 5
    success_rate_request_volume: int = 100
    success_rate_stdev_factor: int = 1900
    failure_percentage_threshold: int = 85
    failure_percentage_minimum_hosts: int = 5
    failure_percentage_request_volume: int = 50
    enforcing_consecutive_5xx: int = 100
    enforcing_consecutive_gateway_failure: int = 0
    enforcing_consecutive_local_origin_failure: int = 100
    enforcing_success_rate: int = 100
    enforcing_local_origin_success_rate: int = 100
    enforcing_failure_percentage: int = 0
    enforcing_local_origin_failure_percentage: int = 0
    successful_active_health_check_uneject_host: bool = True

    def enforced(self, ejection: Ejection) -> int:
        """Per cent of detections of this kind that eject."""
        return int(getattr(self, f"enforcing_{ejection.value}"))

    def may_eject(self, ejected: int, hosts: int) -> bool:
        """Whether one more of *hosts* may be ejected beside the *ejected* ones."""
        if self.always_eject_one_host and not ejected:
            return True
        return hosts > 0 and 100 * (ejected + 1) / hosts <= self.max_ejection_percent


class Rate:
    """Results of one interval, and the success rate of the last: per cent, -1 where too few came."""

    __slots__ = ("rate", "successes", "total")

    def __init__(self) -> None:
        self.total = 0
        self.successes = 0
        self.rate = -1.0

    def latch(self, volume: int) -> float:
        """End the interval."""
        enough = self.total and self.total >= volume
        found = 100 * self.successes / self.total if enough else -1.0
        self.total = self.successes = 0
        return found


class HostRecord:
    """What one host did.  failures: may be those of several processes; see base.failures."""

    __slots__ = ("_settings", "backoff", "changed_at", "ejected", "ejections", "external", "failures", "jitter", "local")

    def __init__(self, settings: OutlierSettings) -> None:
        self._settings = settings
        self.failures: Failures = LocalFailures()
        self.external = Rate()
        self.local = Rate()
        self.ejected = False
        self.ejections = 0  # how many there ever were
        self.backoff = 0  # how many base times the next ejection lasts, less one
        self.changed_at = 0.0  # when it was last ejected or taken back
        self.jitter = 0.0

    def on_status(self, status: int) -> list[Ejection]:
        """An HTTP status from the host.  Says what is detected now; each detection begins its count anew."""
        rate = self.external
        rate.total += 1
        if status < 500:
            rate.successes += 1
            self.failures.succeeded()
            return []
        detected = []
        if status not in _GATEWAY_FAILURES:
            self.failures.end(GATEWAY_ERRORS)
        elif self._is_one_too_many(GATEWAY_ERRORS, self._settings.consecutive_gateway_failure):
            detected.append(Ejection.CONSECUTIVE_GATEWAY_FAILURE)
        if self._is_one_too_many(ERRORS, self._settings.consecutive_5xx):
            detected.append(Ejection.CONSECUTIVE_5XX)
        return detected

    def on_local_failure(self, counts_as: int) -> list[Ejection]:
        """No connection, no answer in time, a reset.  counts_as: the HTTP status where these are not counted apart."""
        if not self._settings.split_external_local_origin_errors:
            return self.on_status(counts_as)
        self.local.total += 1
        if self._is_one_too_many(LOCAL_FAILURES, self._settings.consecutive_local_origin_failure):
            return [Ejection.CONSECUTIVE_LOCAL_ORIGIN_FAILURE]
        return []

    def _is_one_too_many(self, kind: int, limit: int) -> bool:
        """Count a failure; a row that is as long as it may be ends.  limit: 0 for none."""
        row = self.failures.add(kind)
        if not limit or row < limit:  # longer than that where another process counted in the same instant
            return False
        self.failures.end(kind)
        return True

    def take_tally(self) -> tuple[int, int, int, int]:
        """Results since the last call, for somebody else to judge: see upstream.outlier_reports.Tally."""
        taken = (self.external.total, self.external.successes, self.local.total, self.local.successes)
        self.external.total = self.external.successes = self.local.total = self.local.successes = 0
        return taken

    def add_tally(self, total: int, successes: int, local_total: int, local_successes: int) -> None:
        """Results that somebody else saw."""
        self.external.total += total
        self.external.successes += successes
        self.local.total += local_total
        self.local.successes += local_successes

    def on_connected(self) -> None:
        """There was a connection.  Counts only where failures of our own making are counted apart."""
        if self._settings.split_external_local_origin_errors:
            self.local.total += 1
            self.local.successes += 1
            self.failures.end(LOCAL_FAILURES)

    def eject(self, now: float, chance: float) -> None:
        settings = self._settings
        self.ejected = True
        self.ejections += 1
        self.changed_at = now
        self.jitter = settings.max_ejection_time_jitter * chance
        if settings.base_ejection_time * (self.backoff + 1) < settings.max_ejection_time + settings.base_ejection_time:
            self.backoff += 1

    def uneject(self, now: float) -> None:
        self.ejected = False
        self.changed_at = now
        self.end_rows()

    def end_rows(self) -> None:
        """Failures in a row begin anew."""
        for kind in KINDS:
            self.failures.end(kind)

    def look(self, now: float) -> bool:
        """Once per interval: whether the host's time is over.  A host that stayed well is forgiven step by step."""
        settings = self._settings
        if not self.ejected:
            if self.backoff and now - self.changed_at >= settings.interval:
                self.backoff -= 1
            return False
        lasts = min(settings.base_ejection_time * self.backoff, settings.max_ejection_time) + self.jitter
        return now - self.changed_at >= lasts


@dataclass(frozen=True, slots=True)
class Interval:
    """What the statistics of one interval say.  outliers: index of the host among those given, and why."""

    outliers: tuple[tuple[int, Ejection], ...]
    average: float = -1.0
    threshold: float = -1.0


def judge_rates(rates: Sequence[Rate], settings: OutlierSettings, by_deviation: Ejection, by_percentage: Ejection) -> Interval:
    """Compare the hosts of a cluster with each other, and end their interval."""
    volume = min(settings.success_rate_request_volume, settings.failure_percentage_request_volume)
    totals = [rate.total for rate in rates]
    found = [rate.latch(volume) for rate in rates]
    deviating, average, threshold = _deviating(found, totals, settings)
    for rate, value, total in zip(rates, found, totals, strict=True):
        rate.rate = value if total >= settings.success_rate_request_volume else -1.0
    outliers = [(index, by_deviation) for index in deviating]
    outliers += [(index, by_percentage) for index in _failing(found, totals, settings)]
    return Interval(tuple(outliers), average, threshold)


def _deviating(found: Sequence[float], totals: Sequence[int], settings: OutlierSettings) -> tuple[list[int], float, float]:
    valid = [
        (index, value)
        for index, value in enumerate(found)
        if value >= 0 and totals[index] >= settings.success_rate_request_volume
    ]
    if not valid or len(valid) < settings.success_rate_minimum_hosts:
        return [], -1.0, -1.0
    values = [value for _, value in valid]
    average = fmean(values)
    threshold = average - pstdev(values) * settings.success_rate_stdev_factor / 1000
    return [index for index, value in valid if value < threshold], average, threshold


def _failing(found: Sequence[float], totals: Sequence[int], settings: OutlierSettings) -> list[int]:
    valid = [
        (index, value)
        for index, value in enumerate(found)
        if value >= 0 and totals[index] >= settings.failure_percentage_request_volume
    ]
    if not valid or len(valid) < settings.failure_percentage_minimum_hosts:
        return []
    return [index for index, value in valid if 100 - value >= settings.failure_percentage_threshold]
