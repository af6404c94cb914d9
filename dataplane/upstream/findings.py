"""What is found out about upstream hosts once and used by several processes: answers of DNS, results of active health checks, ejections.

Here: the two sides' interfaces, and what the side that is told keeps.  Not here: how it gets from one to the other (server.workers).
The process that asks has a `FindingsSink`, the ones that are told have `Findings`; a process that is alone has neither.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from dataplane.balancing.hosts import HealthFlag
from dataplane.base.failures import LocalFailures

if TYPE_CHECKING:
    from dataplane.base.address import Address
    from dataplane.base.failures import Failures
    from dataplane.snapshot.cluster import Cluster, LoadAssignment
    from dataplane.upstream.host import UpstreamHost
    from dataplane.upstream.outlier_reports import OutlierReport, ReportingDetector

Answers = Mapping[str, tuple[str, ...]]
"""Addresses by name."""

UNCHECKED: Final = int(HealthFlag.FAILED_ACTIVE_HC | HealthFlag.PENDING_ACTIVE_HC)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """flags: those of balancing.hosts.HealthFlag that checks set.  successes: how many checks succeeded, for whoever waits for one."""

    flags: int = UNCHECKED
    successes: int = 0


_UNKNOWN: Final = CheckResult()
Results = Mapping["Address", CheckResult]


class FindingsSink(Protocol):
    """Takes what is found out.  cluster: its name."""

    def names(self, cluster: str, answers: Answers) -> None: ...

    def checks(self, cluster: str, results: Results) -> None: ...

    def ejections(self, cluster: str, ejected: frozenset[Address]) -> None: ...

    def failures(self, cluster: str, hosts: Collection[Address]) -> Mapping[Address, Failures]:
        """What all processes count these hosts' failures in a row in, and no other host's of the cluster."""

    def had_traffic(self, stat_name: str) -> bool:
        """Whether any process ever connected to that cluster for a request."""


class Findings:
    """What was told, by cluster.

    report: tells the process that finds out what this one sees of its hosts.  failures: what is counted in a block that all processes share.
    """

    def __init__(
        self,
        report: Callable[[OutlierReport], None] = lambda report: None,
        failures: Callable[[int], Failures] = lambda block: LocalFailures(),
    ) -> None:
        self.report = report
        self.failures = failures
        self._blocks: dict[str, Mapping[Address, int]] = {}
        self._ejected: dict[str, frozenset[Address]] = {}
        self.detectors: dict[str, ReportingDetector] = {}
        self._answers: dict[str, Answers] = {}
        self._results: dict[str, Results] = {}
        self.discoveries: dict[str, ToldNames] = {}
        self.checks: dict[str, ToldChecks] = {}

    def answers(self, cluster: str) -> Answers:
        return self._answers.get(cluster, {})

    def results(self, cluster: str) -> Results:
        return self._results.get(cluster, {})

    def ejected(self, cluster: str) -> frozenset[Address]:
        return self._ejected.get(cluster, frozenset())

    def blocks(self, cluster: str) -> Mapping[Address, int]:
        """Where failures in a row of its hosts are counted together."""
        return self._blocks.get(cluster, {})

    def tell_blocks(self, cluster: str, blocks: Mapping[Address, int]) -> None:
        self._blocks[cluster] = blocks
        if cluster in self.detectors:
            self.detectors[cluster].share()

    def forget_blocks(self, cluster: str) -> None:
        """The process that decides does not watch the cluster's hosts any more."""
        self._blocks.pop(cluster, None)

    def tell_ejections(self, cluster: str, ejected: frozenset[Address]) -> None:
        self._ejected[cluster] = ejected
        if cluster in self.detectors:
            self.detectors[cluster].look()

    def tell_names(self, cluster: str, answers: Answers) -> None:
        self._answers[cluster] = answers
        if cluster in self.discoveries:
            self.discoveries[cluster].look()

    def tell_checks(self, cluster: str, results: Results) -> None:
        self._results[cluster] = results
        if cluster in self.checks:
            self.checks[cluster].look()

    def forget(self, cluster: str) -> None:
        """The process that asks does not know the cluster any more."""
        self._answers.pop(cluster, None)
        self._results.pop(cluster, None)
        self._ejected.pop(cluster, None)


class ToldNames:
    """As dns_discovery.DnsDiscovery, for a process that does not ask.  expand: endpoints with addresses in place of names."""

    def __init__(
        self,
        config: Cluster,
        findings: Findings,
        expand: Callable[[Cluster, Answers], LoadAssignment | None],
        on_update: Callable[[LoadAssignment], None],
    ) -> None:
        self.config = config
        self.resolved: LoadAssignment | None = None
        self._findings = findings
        self._expand = expand
        self._on_update = on_update

    def start(self) -> None:
        self._findings.discoveries[self.config.name] = self
        self.look()

    def stop(self) -> None:
        if self._findings.discoveries.get(self.config.name) is self:
            del self._findings.discoveries[self.config.name]

    def look(self) -> None:
        """Follow the answers, once there is one for every name."""
        resolved = self._expand(self.config, self._findings.answers(self.config.name))
        if resolved is not None and resolved != self.resolved:
            self.resolved = resolved
            self._on_update(resolved)


class ToldChecks:
    """As health_check.HealthChecker, for a process that does not ask.  on_change, on_checked: as there."""

    def __init__(
        self,
        cluster: str,
        findings: Findings,
        all_flags: int,
        on_change: Callable[[], None],
        on_checked: Callable[[UpstreamHost, bool, bool], None],
    ) -> None:
        self._cluster = cluster
        self._findings = findings
        self._all_flags = all_flags
        self._on_change = on_change
        self._on_checked = on_checked
        self._known: dict[UpstreamHost, CheckResult] = {}
        findings.checks[cluster] = self

    def follow(self, hosts: Iterable[UpstreamHost]) -> None:
        results, before = self._findings.results(self._cluster), self._known
        self._known = {}
        for host in hosts:
            if host.health_check_disabled:
                continue
            if host in before:
                self._known[host] = before[host]
            else:
                self._known[host] = result = results.get(host.address, _UNKNOWN)
                host.flags = host.flags & ~self._all_flags | result.flags

    def look(self) -> None:
        """Follow the results."""
        results = self._findings.results(self._cluster)
        changed = False
        for host, before in list(self._known.items()):
            result = results.get(host.address, before)
            if result == before:
                continue
            self._known[host] = result
            host.flags = host.flags & ~self._all_flags | result.flags
            turned = bool((result.flags ^ before.flags) & HealthFlag.FAILED_ACTIVE_HC)
            self._on_checked(host, result.successes > before.successes, turned)
            changed = changed or result.flags != before.flags
        if changed:
            self._on_change()

    def stop(self) -> None:
        """What was said is forgotten."""
        if self._findings.checks.get(self._cluster) is self:
            del self._findings.checks[self._cluster]
        for host in self._known:
            host.flags &= ~self._all_flags
        self._known.clear()
