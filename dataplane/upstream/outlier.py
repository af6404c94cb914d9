"""Outlier detection of a cluster, the acting part: takes results from the router, ejects hosts and takes them back.

Here: monitors of hosts, the interval, flags and stats.  Not here: counting and deciding (resilience.outlier), balancing anew (cluster).
Envoy: Outlier::DetectorImpl; stats cluster.<name>.outlier_detection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from dataplane.balancing.hosts import HealthFlag
from dataplane.resilience.outlier import NOT_CONNECTED, TIMED_OUT, Ejection, HostRecord, Interval, OutlierSettings, judge_rates

if TYPE_CHECKING:
    from dataplane.base.address import Address
    from dataplane.base.deadlines import Deadline, DeadlineWheel
    from dataplane.base.failures import Failures
    from dataplane.observe.stats import Scope
    from dataplane.upstream.host import UpstreamHost
    from dataplane.upstream.outlier_log import OutlierLog
    from dataplane.upstream.outlier_reports import OutlierReport

EJECTED: Final = int(HealthFlag.FAILED_OUTLIER_CHECK)


class OutlierStats:
    """`cluster.<name>.outlier_detection.`"""

    def __init__(self, scope: Scope) -> None:
        self.active: Final = scope.gauge("ejections_active")
        self.overflow: Final = scope.counter("ejections_overflow")
        self.enforced_total: Final = scope.counter("ejections_enforced_total")
        self.total: Final = scope.counter("ejections_total")
        self.detected: Final = {each: scope.counter(f"ejections_detected_{each.value}") for each in Ejection}
        self.enforced: Final = {each: scope.counter(f"ejections_enforced_{each.value}") for each in Ejection}
        self.older: Final = {  # older names of detections
            each: scope.counter(f"ejections_{each.value}") for each in (Ejection.CONSECUTIVE_5XX, Ejection.SUCCESS_RATE)
        }
        scope.counter("ejections_detected_degradation")


class Detector(Protocol):
    """What a monitor tells."""

    settings: OutlierSettings

    def on_detected(self, monitor: HostMonitor, ejection: Ejection) -> None: ...


class HostMonitor:
    """What the router tells about one host.  Implements api.upstream.HostMonitor."""

    __slots__ = ("_detector", "host", "record")

    def __init__(self, detector: Detector, host: UpstreamHost) -> None:
        self._detector = detector
        self.host = host
        self.record = HostRecord(detector.settings)

    def on_connected(self) -> None:
        """A connection for a request was there."""
        self.record.on_connected()

    def on_status(self, status: int) -> None:
        """The host answered."""
        for ejection in self.record.on_status(status):
            self._detector.on_detected(self, ejection)

    def on_timeout(self) -> None:
        """The host did not answer in time."""
        self._on_local_failure(TIMED_OUT)

    def on_failure(self) -> None:
        """No connection, or one that broke."""
        self._on_local_failure(NOT_CONNECTED)

    def _on_local_failure(self, counts_as: int) -> None:
        for ejection in self.record.on_local_failure(counts_as):
            self._detector.on_detected(self, ejection)


class OutlierDetector:
    """on_change: some host's flags changed.  on_ejected: this one was ejected just now.  log: None where nobody wants one; cluster: for it."""

    def __init__(
        self,
        settings: OutlierSettings,
        scope: Scope,
        deadlines: DeadlineWheel,
        clock: Callable[[], float],
        chance: Callable[[], float],
        on_change: Callable[[], None],
        on_ejected: Callable[[UpstreamHost], None],
        cluster: str = "",
        log: OutlierLog | None = None,
    ) -> None:
        self.settings = settings
        self._cluster = cluster
        self._log = log
        self._judged: dict[Ejection, Interval] = {}  # the last interval, by what it may eject for
        self.stats = OutlierStats(scope)
        self._deadlines = deadlines
        self._clock = clock
        self._chance = chance
        self._on_change = on_change
        self._on_ejected = on_ejected
        self._monitors: dict[UpstreamHost, HostMonitor] = {}
        self._deadline: Deadline = deadlines.arm(settings.interval, self._on_interval)

    def follow(self, hosts: Iterable[UpstreamHost]) -> None:
        """Watch these hosts from now on, and no others."""
        wanted = dict.fromkeys(hosts)
        for host in [host for host in self._monitors if host not in wanted]:
            self._forget(host)
        for host in wanted:
            if host not in self._monitors:
                host.monitor = self._monitors[host] = HostMonitor(self, host)

    def stop(self) -> None:
        self._deadline.cancel()
        for host in list(self._monitors):
            self._forget(host)

    def _forget(self, host: UpstreamHost) -> None:
        if self._monitors.pop(host).record.ejected:
            self.stats.active.dec()
        host.monitor = None
        host.success_rate = host.local_origin_success_rate = -1.0
        host.flags &= ~EJECTED

    def count_in(self, failures: Mapping[Address, Failures]) -> None:
        """Failures in a row of these hosts are counted by several processes, there."""
        for host, monitor in self._monitors.items():
            if host.address in failures:
                monitor.record.failures = failures[host.address]

    @property
    def ejected(self) -> frozenset[Address]:
        return frozenset(host.address for host, monitor in self._monitors.items() if monitor.record.ejected)

    def take(self, report: OutlierReport) -> None:
        """What another process has seen; hosts that are not known here have gone, or will come."""
        by_address = {host.address: monitor for host, monitor in self._monitors.items()}
        for address, tally in report.tallies.items():
            if address in by_address:
                by_address[address].record.add_tally(*tally)
        for address, ejection in report.detected:
            if address in by_address:
                self.on_detected(by_address[address], ejection)

    def on_detected(self, monitor: HostMonitor, ejection: Ejection) -> None:
        """Eject the host, unless too many are ejected or chance spares it."""
        if monitor.record.ejected:
            return
        settings, stats = self.settings, self.stats
        stats.detected[ejection].inc()
        if ejection in stats.older:
            stats.older[ejection].inc()
        if not settings.may_eject(stats.active.value, len(self._monitors)):
            stats.overflow.inc()
        elif self._chance() * 100 < settings.enforced(ejection):
            stats.enforced[ejection].inc()
            self._eject(monitor, ejection)
        elif self._log is not None:
            self._log.ejected(self._cluster, monitor, self._since(monitor), ejection, False, self._judged.get(ejection))

    def _eject(self, monitor: HostMonitor, ejection: Ejection) -> None:
        stats, record = self.stats, monitor.record
        stats.active.inc()
        stats.enforced_total.inc()
        stats.total.inc()
        since = self._since(monitor)
        record.eject(self._clock(), self._chance())
        monitor.host.flags |= EJECTED
        self._on_ejected(monitor.host)
        self._on_change()
        if self._log is not None:
            self._log.ejected(self._cluster, monitor, since, ejection, True, self._judged.get(ejection))

    def _since(self, monitor: HostMonitor) -> float | None:
        """Seconds since the host was ejected or taken back; None where it never was."""
        return self._clock() - monitor.record.changed_at if monitor.record.ejections else None

    def uneject(self, host: UpstreamHost) -> None:
        """Take a host back, if it is ejected."""
        monitor = self._monitors.get(host)
        if monitor is None or not monitor.record.ejected:
            return
        since = self._since(monitor)
        monitor.record.uneject(self._clock())
        self.stats.active.dec()
        host.flags &= ~EJECTED
        self._on_change()
        if self._log is not None:
            self._log.taken_back(self._cluster, monitor, since)

    def on_check_succeeded(self, host: UpstreamHost) -> None:
        if self.settings.successful_active_health_check_uneject_host:
            self.uneject(host)

    def _on_interval(self) -> None:
        self._deadline = self._deadlines.arm(self.settings.interval, self._on_interval)
        now = self._clock()
        monitors = list(self._monitors.values())
        for monitor in monitors:
            if monitor.record.look(now):
                self.uneject(monitor.host)
        kinds = (Ejection.SUCCESS_RATE, Ejection.FAILURE_PERCENTAGE)
        external = judge_rates([monitor.record.external for monitor in monitors], self.settings, *kinds)
        self._judged = dict.fromkeys(kinds, external)
        kinds = (Ejection.LOCAL_ORIGIN_SUCCESS_RATE, Ejection.LOCAL_ORIGIN_FAILURE_PERCENTAGE)
        local = judge_rates([monitor.record.local for monitor in monitors], self.settings, *kinds)
        self._judged |= dict.fromkeys(kinds, local)
        for monitor in monitors:
            monitor.host.success_rate = monitor.record.external.rate
            monitor.host.local_origin_success_rate = monitor.record.local.rate
        outliers = external.outliers
        if self.settings.split_external_local_origin_errors:
            outliers += local.outliers
        for index, ejection in outliers:
            self.on_detected(monitors[index], ejection)
