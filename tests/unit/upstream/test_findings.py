"""A process that is told how hosts are follows the one that finds out."""

from __future__ import annotations

from dataplane.balancing.hosts import HealthFlag
from dataplane.base.address import SocketAddress
from dataplane.snapshot.cluster import Cluster, DiscoveryType, Endpoint, LoadAssignment, Locality, LocalityEndpoints
from dataplane.upstream.dns_discovery import with_addresses
from dataplane.upstream.findings import UNCHECKED, CheckResult, Findings, ToldChecks, ToldNames
from dataplane.upstream.health_check import ALL_CHECK_FLAGS
from dataplane.upstream.host import UpstreamHost

FAILED = int(HealthFlag.FAILED_ACTIVE_HC)
EJECTED = int(HealthFlag.FAILED_OUTLIER_CHECK)


class Checked:
    """A cluster's side of the checks."""

    def __init__(self, findings: Findings, *ports: int) -> None:
        self.hosts = [UpstreamHost(SocketAddress("10.0.0.1", port)) for port in ports]
        self.changes = 0
        self.checked: list[tuple[int, bool, bool]] = []
        self.checks = ToldChecks("app", findings, ALL_CHECK_FLAGS, self._on_change, self._on_checked)
        self.checks.follow(self.hosts)

    def _on_change(self) -> None:
        self.changes += 1

    def _on_checked(self, host: UpstreamHost, succeeded: bool, turned: bool) -> None:
        assert isinstance(host.address, SocketAddress)
        self.checked.append((host.address.port, succeeded, turned))

    @property
    def flags(self) -> list[int]:
        return [host.flags for host in self.hosts]


def results(*flags: int, successes: int = 0) -> dict[SocketAddress, CheckResult]:
    return {SocketAddress("10.0.0.1", port): CheckResult(flag, successes) for port, flag in enumerate(flags, 1)}


def test_a_host_that_nobody_told_of_counts_as_unchecked() -> None:
    assert Checked(Findings(), 1).flags == [UNCHECKED]


def test_hosts_follow_what_is_told_and_keep_their_other_flags() -> None:
    findings = Findings()
    world = Checked(findings, 1, 2)
    world.hosts[0].flags |= EJECTED
    findings.tell_checks("app", results(0, FAILED, successes=1))
    assert world.flags == [EJECTED, FAILED]
    assert world.changes == 1
    assert world.checked == [(1, True, True), (2, True, False)]


def test_what_was_told_before_a_host_came_is_known() -> None:
    findings = Findings()
    findings.tell_checks("app", results(0, FAILED))
    assert Checked(findings, 1, 2).flags == [0, FAILED]


def test_a_success_without_a_change_of_flags_is_heard_of() -> None:
    findings = Findings()
    findings.tell_checks("app", results(0, successes=1))
    world = Checked(findings, 1)
    findings.tell_checks("app", results(0, successes=2))
    findings.tell_checks("app", results(0, successes=2))
    assert world.checked == [(1, True, False)]
    assert world.changes == 0


def test_after_the_last_check_hosts_are_as_if_there_had_been_none() -> None:
    findings = Findings()
    world = Checked(findings, 1)
    world.checks.stop()
    findings.tell_checks("app", results(FAILED))
    assert world.flags == [0]


def test_hosts_whose_checks_are_disabled_are_left_alone() -> None:
    findings = Findings()
    world = Checked(findings)
    host = UpstreamHost(SocketAddress("10.0.0.1", 1))
    host.health_check_disabled = True
    world.checks.follow([host])
    findings.tell_checks("app", results(FAILED))
    assert host.flags == 0


def dns_cluster(discovery: DiscoveryType, *names: str) -> Cluster:
    endpoints = tuple(Endpoint(SocketAddress(name, 80)) for name in names)
    return Cluster("app", discovery, LoadAssignment("app", (LocalityEndpoints(Locality(), endpoints),)))


def addresses(assignment: LoadAssignment) -> list[str]:
    return [str(endpoint.address) for locality in assignment.localities for endpoint in locality.endpoints]


def test_names_are_followed_once_all_of_them_are_answered() -> None:
    findings = Findings()
    updates: list[list[str]] = []
    config = dns_cluster(DiscoveryType.STRICT_DNS, "a.test", "b.test", "10.0.0.9")
    names = ToldNames(config, findings, with_addresses, lambda assignment: updates.append(addresses(assignment)))
    names.start()
    findings.tell_names("app", {"a.test": ("10.0.0.1", "10.0.0.2")})
    assert updates == []
    findings.tell_names("app", {"a.test": ("10.0.0.1", "10.0.0.2"), "b.test": ()})
    findings.tell_names("app", {"a.test": ("10.0.0.1", "10.0.0.2"), "b.test": ()})
    assert updates == [["10.0.0.1:80", "10.0.0.2:80", "10.0.0.9:80"]]
    names.stop()
    findings.tell_names("app", {"a.test": ("10.0.0.3",), "b.test": ()})
    assert len(updates) == 1


def test_a_logical_host_has_the_first_address() -> None:
    findings = Findings()
    findings.tell_names("app", {"a.test": ("10.0.0.1", "10.0.0.2")})
    updates: list[list[str]] = []
    config = dns_cluster(DiscoveryType.LOGICAL_DNS, "a.test")
    ToldNames(config, findings, with_addresses, lambda assignment: updates.append(addresses(assignment))).start()
    assert updates == [["10.0.0.1:80"]]


def test_a_forgotten_cluster_begins_anew() -> None:
    findings = Findings()
    findings.tell_names("app", {"a.test": ("10.0.0.1",)})
    findings.tell_checks("app", results(0))
    findings.forget("app")
    assert not findings.answers("app")
    assert not findings.results("app")
