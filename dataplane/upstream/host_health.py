"""All that says how well the hosts of one cluster are: active checks and outlier detection, as the cluster is configured.

Here: starting and stopping them, and which removed hosts stay because their checks succeed.  Not here: each of them (health_check, outlier).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from dataplane.balancing.hosts import HealthFlag
from dataplane.upstream.findings import ToldChecks
from dataplane.upstream.health_check import ALL_CHECK_FLAGS, HealthChecker
from dataplane.upstream.outlier import OutlierDetector
from dataplane.upstream.outlier_reports import OutlierReport, ReportingDetector

if TYPE_CHECKING:
    from dataplane.snapshot.cluster import Cluster
    from dataplane.snapshot.health_check import HealthCheck
    from dataplane.upstream.cluster_stats import ClusterStats
    from dataplane.upstream.connector import Connector
    from dataplane.upstream.host import UpstreamHost
    from dataplane.upstream.runtime import UpstreamRuntime

_LEAVING = int(HealthFlag.PENDING_DYNAMIC_REMOVAL)
_GONE = int(HealthFlag.FAILED_ACTIVE_HC | HealthFlag.FAILED_EDS_HEALTH)


class HostHealth:
    """connector_for: what dials a host.  on_change: some host's flags changed.  on_failed: this host is not to be used any more, for now."""

    __slots__ = ("_checkers", "_config", "_connector_for", "_detector", "_on_change", "_on_failed", "_runtime", "_stats")

    def __init__(
        self,
        runtime: UpstreamRuntime,
        stats: ClusterStats,
        connector_for: Callable[[UpstreamHost], Connector],
        on_change: Callable[[], None],
        on_failed: Callable[[UpstreamHost], None],
    ) -> None:
        self._runtime = runtime
        self._stats = stats
        self._connector_for = connector_for
        self._on_change = on_change
        self._on_failed = on_failed
        self._config: Cluster | None = None
        self._checkers: tuple[HealthChecker | ToldChecks, ...] = ()
        self._detector: OutlierDetector | ReportingDetector | None = None

    def configure(self, config: Cluster, hosts: Collection[UpstreamHost]) -> None:
        """Begin what *config* asks for, anew where it changed: then every host counts as failed until it was asked."""
        before, self._config = self._config, config
        if before is None or before.health_checks != config.health_checks:
            self._stop_checks()
            self._checkers = self._make_checkers(config)
            for checker in self._checkers:
                checker.follow(hosts)
            self._publish()
        if before is None or before.outlier_detection != config.outlier_detection:
            self._stop_detection()
            if self._runtime.sink is not None:
                self._runtime.sink.failures(config.name, ())  # rows of failures begin anew
            if config.outlier_detection is not None:
                self._detector = self._make_detector(config)
                self._watch(self._detector, hosts)

    def follow(self, hosts: Collection[UpstreamHost]) -> None:
        for checker in self._checkers:
            checker.follow(hosts)
        self._publish()
        if self._detector is not None:
            self._watch(self._detector, hosts)

    def take_outliers(self, report: OutlierReport) -> None:
        """What another process has seen of the hosts."""
        if isinstance(self._detector, OutlierDetector):
            self._detector.take(report)

    def keeps(self, host: UpstreamHost) -> bool:
        """Whether *host*, which is not among the endpoints any more, stays all the same: its checks succeed."""
        if not self._checkers or self._config is None or self._config.ignore_health_on_host_removal:
            return False
        return not host.flags & _GONE

    def stop(self) -> None:
        """For good: who was told of changes, and holds us, is forgotten."""
        self._stop_checks()
        self._stop_detection()
        self._connector_for = _no_connector
        self._on_change = self._on_failed = _told_nobody

    def _stop_checks(self) -> None:
        for checker in self._checkers:
            checker.stop()
        self._checkers = ()

    def _stop_detection(self) -> None:
        if self._detector is not None:
            self._detector.stop()
            self._detector = None

    def _make_checkers(self, config: Cluster) -> tuple[HealthChecker | ToldChecks, ...]:
        findings = self._runtime.findings
        if findings is None:
            return tuple(self._make_checker(config, check) for check in config.health_checks)
        if not config.health_checks:
            return ()
        return (ToldChecks(config.name, findings, ALL_CHECK_FLAGS, self._on_change, self._on_checked),)

    def _make_checker(self, config: Cluster, check: HealthCheck) -> HealthChecker:
        runtime, stats = self._runtime, self._stats
        return HealthChecker(
            check,
            config.name,
            stats.scope.scope("health_check."),
            self._connector_for,
            runtime.deadlines,
            runtime.loop.time,
            runtime.chance,
            self._had_traffic,
            self._on_change,
            self._on_checked,
        )

    def _make_detector(self, config: Cluster) -> OutlierDetector | ReportingDetector:
        runtime = self._runtime
        assert config.outlier_detection is not None
        if runtime.findings is not None and config.original_dst is None:  # whose hosts only the process knows that met them
            return ReportingDetector(
                config.name, config.outlier_detection, runtime.findings, runtime.deadlines, self._on_change, self._on_failed
            )
        return OutlierDetector(
            config.outlier_detection,
            self._stats.scope.scope("outlier_detection."),
            runtime.deadlines,
            runtime.loop.time,
            runtime.chance,
            self._on_ejections,
            self._on_failed,
            config.name,
            runtime.outlier_log,
        )

    def _watch(self, detector: OutlierDetector | ReportingDetector, hosts: Collection[UpstreamHost]) -> None:
        """Those hosts and no others, together with the processes that do not decide."""
        detector.follow(hosts)
        sink = self._runtime.sink
        if sink is not None and self._config is not None and isinstance(detector, OutlierDetector):
            detector.count_in(sink.failures(self._config.name, [host.address for host in hosts]))
        self._publish_ejections()

    def _on_ejections(self) -> None:
        self._publish_ejections()
        self._on_change()

    def _publish_ejections(self) -> None:
        """Tell the processes that do not decide."""
        sink = self._runtime.sink
        if sink is not None and self._config is not None and isinstance(self._detector, OutlierDetector):
            sink.ejections(self._config.name, self._detector.ejected)

    def _had_traffic(self) -> bool:
        sink = self._runtime.sink
        if sink is not None and self._config is not None:
            return sink.had_traffic(self._config.stat_name)
        return self._stats.connection.cx_total.used

    def _publish(self) -> None:
        """Tell the processes that do not check what is known here."""
        sink = self._runtime.sink
        for checker in self._checkers:
            if sink is not None and isinstance(checker, HealthChecker):
                sink.checks(checker.cluster_name, checker.results())

    def _on_checked(self, host: UpstreamHost, succeeded: bool, changed: bool) -> None:
        self._publish()
        if succeeded and self._detector is not None:
            self._detector.on_check_succeeded(host)
        elif changed:
            self._on_failed(host)


def _told_nobody(*_: object) -> None:
    pass


def _no_connector(host: UpstreamHost) -> Connector:
    raise AssertionError("what is stopped checks nobody")


def is_leaving(host: UpstreamHost) -> bool:
    """Removed from the endpoints, and only here because its checks succeed."""
    return bool(host.flags & _LEAVING)
