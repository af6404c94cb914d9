"""Outlier detection where several processes use the same hosts: each counts, one decides, all follow.

Here: the side that counts and follows.  Not here: the side that decides (outlier), how words get from one to the other (server.workers).
As in Envoy, where all threads count and the main thread decides.  Failures in a row are counted together (base.failures): whoever sees the
last one of a row tells of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dataplane.upstream.outlier import EJECTED, HostMonitor

if TYPE_CHECKING:
    from dataplane.base.address import Address
    from dataplane.base.deadlines import Deadline, DeadlineWheel
    from dataplane.resilience.outlier import Ejection, OutlierSettings
    from dataplane.upstream.findings import Findings
    from dataplane.upstream.host import UpstreamHost

_LONGEST_INTERVAL: Final = 1.0

Tally = tuple[int, int, int, int]
"""Results and how many of them were successes: of the host, and of reaching it where these are counted apart."""


@dataclass(frozen=True, slots=True)
class OutlierReport:
    """What one process has seen of a cluster's hosts since its last report."""

    cluster: str
    detected: Sequence[tuple[Address, Ejection]] = ()
    tallies: Mapping[Address, Tally] = field(default_factory=dict)


class ReportingDetector:
    """As outlier.OutlierDetector, for a process that does not decide.  on_change, on_ejected: as there."""

    def __init__(
        self,
        cluster: str,
        settings: OutlierSettings,
        findings: Findings,
        deadlines: DeadlineWheel,
        on_change: Callable[[], None],
        on_ejected: Callable[[UpstreamHost], None],
    ) -> None:
        self.settings = settings
        self._cluster = cluster
        self._findings = findings
        self._deadlines = deadlines
        self._on_change = on_change
        self._on_ejected = on_ejected
        self._monitors: dict[UpstreamHost, HostMonitor] = {}
        self._blocks: dict[UpstreamHost, int] = {}  # in which failures in a row of all processes are counted
        self._interval = min(settings.interval / 4, _LONGEST_INTERVAL)  # several in one of those that are judged
        self._deadline: Deadline = deadlines.arm(self._interval, self._on_interval)
        findings.detectors[cluster] = self

    def follow(self, hosts: Iterable[UpstreamHost]) -> None:
        """Watch these hosts from now on, and no others."""
        wanted = dict.fromkeys(hosts)
        for host in [host for host in self._monitors if host not in wanted]:
            self._forget(host)
        ejected = self._findings.ejected(self._cluster)
        for host in wanted:
            if host not in self._monitors:
                host.monitor = self._monitors[host] = HostMonitor(self, host)
                self._set(host, host.address in ejected)
        self.share()

    def share(self) -> None:
        """Count failures in a row where everybody does."""
        blocks = self._findings.blocks(self._cluster)
        for host, monitor in self._monitors.items():
            block = blocks.get(host.address)
            if block is not None and self._blocks.get(host) != block:
                self._blocks[host] = block
                monitor.record.failures = self._findings.failures(block)

    def stop(self) -> None:
        if self._findings.detectors.get(self._cluster) is self:
            del self._findings.detectors[self._cluster]
        self._deadline.cancel()
        for host in list(self._monitors):
            self._forget(host)

    def on_detected(self, monitor: HostMonitor, ejection: Ejection) -> None:
        """Whether it is ejected is decided elsewhere."""
        self._findings.report(OutlierReport(self._cluster, ((monitor.host.address, ejection),)))

    def on_check_succeeded(self, host: UpstreamHost) -> None:
        """Who decides hears of it first."""

    def look(self) -> None:
        """Follow what was decided."""
        ejected = self._findings.ejected(self._cluster)
        turned = [host for host, monitor in self._monitors.items() if (host.address in ejected) is not monitor.record.ejected]
        for host in turned:
            self._set(host, host.address in ejected)
            if host.flags & EJECTED:
                self._on_ejected(host)
        if turned:
            self._on_change()

    def _set(self, host: UpstreamHost, ejected: bool) -> None:
        record = self._monitors[host].record
        if ejected:
            record.ejected = True
            host.flags |= EJECTED
        elif record.ejected:
            record.ejected = False
            host.flags &= ~EJECTED
            if host not in self._blocks:  # else who decides has ended them
                record.end_rows()

    def _forget(self, host: UpstreamHost) -> None:
        del self._monitors[host]
        self._blocks.pop(host, None)
        host.monitor = None
        host.flags &= ~EJECTED

    def _on_interval(self) -> None:
        self._deadline = self._deadlines.arm(self._interval, self._on_interval)
        tallies = {host.address: monitor.record.take_tally() for host, monitor in self._monitors.items()}
        tallies = {address: tally for address, tally in tallies.items() if any(tally)}
        if tallies:
            self._findings.report(OutlierReport(self._cluster, tallies=tallies))
