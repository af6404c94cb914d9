"""Several processes that count, one that decides: over the clusters' real detectors, with what they say handed on at once."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.base.address import Address, SocketAddress
from dataplane.base.deadlines import DeadlineWheel
from dataplane.observe.stats import StatsStore
from dataplane.resilience.outlier import Ejection, OutlierSettings
from dataplane.server.workers.shared_failures import FailureTable
from dataplane.upstream.findings import Findings
from dataplane.upstream.host import UpstreamHost
from dataplane.upstream.outlier import OutlierDetector
from dataplane.upstream.outlier_reports import OutlierReport, ReportingDetector
from tests.support.upstream_wire import Clock


def made_hosts(count: int) -> list[UpstreamHost]:
    return [UpstreamHost(SocketAddress("10.0.0.1", port)) for port in range(count)]


class Worker:
    """One that counts."""

    def __init__(self, world: World) -> None:
        self.world = world
        number = len(world.workers)
        self.findings = Findings(world.take, lambda block: world.table.failures(block, number))
        if world.counts_together:
            self.findings.tell_blocks("app", world.blocks)
        self.hosts = made_hosts(len(world.hosts))
        self.changes = 0
        self.ejected: list[UpstreamHost] = []
        self.detector = ReportingDetector(
            "app", world.settings, self.findings, world.deadlines, self._on_change, self.ejected.append
        )
        self.detector.follow(self.hosts)

    def _on_change(self) -> None:
        self.changes += 1

    def answer(self, host: int, *statuses: int) -> None:
        monitor = self.hosts[host].monitor
        assert monitor is not None
        for status in statuses:
            monitor.on_status(status)

    @property
    def health(self) -> list[str]:
        return [host.describe_health() for host in self.hosts]


class World:
    """The process that decides, and its workers."""

    def __init__(self, hosts: int = 3, workers: int = 2, counts_together: bool = True, **settings: Any) -> None:
        self.settings = OutlierSettings(**{"max_ejection_percent": 100, "interval": 10.0, **settings})
        self.clock = Clock()
        self.deadlines = DeadlineWheel(self.clock.time, self.clock.call_at)
        self.store = StatsStore()
        self.reports: list[OutlierReport] = []
        self.hosts = made_hosts(hosts)
        self.workers: list[Worker] = []
        self.detector = OutlierDetector(
            self.settings,
            self.store.scope("od."),
            self.deadlines,
            self.clock.time,
            lambda: 0.0,
            self._tell,
            lambda host: None,
        )
        self.detector.follow(self.hosts)
        self.counts_together = counts_together
        self.table = FailureTable.create(workers + 1)
        self.blocks = {host.address: number for number, host in enumerate(self.hosts)}
        if counts_together:
            self.detector.count_in({address: self.table.failures(block) for address, block in self.blocks.items()})
        for _ in range(workers):
            self.workers.append(Worker(self))

    def take(self, report: OutlierReport) -> None:
        self.reports.append(report)
        self.detector.take(report)

    def _tell(self) -> None:
        for worker in self.workers:
            worker.findings.tell_ejections("app", self.detector.ejected)

    def counted(self, name: str) -> int:
        return {**self.store.counters, **self.store.gauges}[f"od.{name}"].value


def test_what_one_detects_ejects_for_all() -> None:
    world = World()
    one, other = world.workers
    one.answer(1, *[500] * 5)
    assert one.health == other.health == ["healthy", "/failed_outlier_check", "healthy"]
    assert (one.ejected, other.ejected) == ([one.hosts[1]], [other.hosts[1]])
    assert one.changes == other.changes == 1
    assert world.counted("ejections_total") == 1


def test_no_more_are_ejected_than_all_together_may() -> None:
    world = World(max_ejection_percent=34)
    one, other = world.workers
    one.answer(0, *[500] * 5)
    other.answer(1, *[500] * 5)
    other.answer(0, *[500] * 5)
    assert one.health == ["/failed_outlier_check", "healthy", "healthy"]
    assert world.counted("ejections_active") == 1
    assert world.counted("ejections_overflow") == 1


def test_failures_in_a_row_are_those_of_all_together() -> None:
    world = World()
    one, other = world.workers
    one.answer(1, 500, 500)
    other.answer(1, 500, 500)
    assert not world.reports
    one.answer(1, 500)
    assert one.health == other.health == ["healthy", "/failed_outlier_check", "healthy"]
    assert world.counted("ejections_detected_consecutive_5xx") == 1


def test_a_success_that_one_sees_ends_the_row_of_all() -> None:
    world = World()
    one, other = world.workers
    one.answer(1, *[500] * 4)
    other.answer(1, 200)
    one.answer(1, *[500] * 4)
    assert not world.reports
    other.answer(1, 500)
    assert world.counted("ejections_active") == 1


def test_failures_of_the_gateway_and_of_our_own_making_are_counted_together_too() -> None:
    world = World(
        consecutive_gateway_failure=2,
        enforcing_consecutive_gateway_failure=100,
        split_external_local_origin_errors=True,
        consecutive_local_origin_failure=2,
    )
    one, other = world.workers
    one.answer(0, 503)
    other.answer(0, 502)
    assert world.counted("ejections_enforced_consecutive_gateway_failure") == 1
    for worker in (one, other):
        monitor = worker.hosts[1].monitor
        assert monitor is not None
        monitor.on_failure()
    assert world.counted("ejections_enforced_consecutive_local_origin_failure") == 1


def test_where_blocks_come_late_each_counts_for_itself_until_then() -> None:
    world = World(counts_together=False)
    one, other = world.workers
    one.answer(1, *[500] * 4)
    other.answer(1, *[500] * 4)
    for worker in (one, other):
        worker.findings.tell_blocks("app", world.blocks)
    one.answer(1, *[500] * 2)
    assert not world.reports
    other.answer(1, *[500] * 3)
    assert world.counted("ejections_active") == 1


@pytest.mark.parametrize("together", [True, False])
def test_it_ends_for_all_and_failures_in_a_row_begin_anew(together: bool) -> None:
    world = World(base_ejection_time=30.0, counts_together=together)
    one, other = world.workers
    one.answer(1, *[500] * 5)
    one.answer(1, *[500] * 4)
    world.clock.advance(41.0)
    assert one.health == other.health == ["healthy"] * 3
    one.answer(1, 500)
    assert one.health == ["healthy"] * 3


def test_failures_after_a_host_was_taken_back_count_before_everybody_knows_of_it() -> None:
    world = World(base_ejection_time=30.0)
    one, late = world.workers[0], Worker(world)
    one.answer(1, *[500] * 5)
    late.findings.tell_ejections("app", world.detector.ejected)
    world.clock.advance(41.0)
    one.answer(1, *[500] * 4)
    late.findings.tell_ejections("app", world.detector.ejected)
    assert late.health == ["healthy"] * 3
    one.answer(1, 500)
    assert one.health[1] == "/failed_outlier_check"


def test_failures_of_a_host_that_came_back_are_counted_together_again() -> None:
    world = World()
    one, other = world.workers
    other.detector.follow(other.hosts[:1])
    other.detector.follow(other.hosts)
    one.answer(1, *[500] * 4)
    other.answer(1, 500)
    assert world.counted("ejections_active") == 1


def test_rates_are_those_of_all_together() -> None:
    """No worker alone has the volume that is asked for."""
    world = World(hosts=5, success_rate_request_volume=10, consecutive_5xx=0, enforcing_failure_percentage=0)
    for worker in world.workers:
        for host in range(5):
            worker.answer(host, *[500 if host == 4 else 200] * 6)
    world.clock.advance(10.5)
    assert all(worker.health == ["healthy"] * 4 + ["/failed_outlier_check"] for worker in world.workers)
    assert [host.success_rate for host in world.hosts] == [100.0] * 4 + [0.0]


def test_nothing_is_said_where_nothing_was_seen() -> None:
    world = World()
    world.clock.advance(30.0)
    assert not world.reports
    world.workers[0].answer(2, 200, 500)
    world.clock.advance(2.0)
    address: Address = SocketAddress("10.0.0.1", 2)
    assert world.reports == [OutlierReport("app", tallies={address: (2, 1, 0, 0)})]


def test_a_host_that_comes_later_is_as_it_was_told() -> None:
    world = World()
    world.workers[0].answer(1, *[500] * 5)
    late = Worker(world)
    late.findings.tell_ejections("app", world.detector.ejected)
    assert late.health[1] == "/failed_outlier_check"
    late.detector.follow(late.hosts[:1])
    assert not late.hosts[1].flags
    assert late.hosts[1].monitor is None
    late.detector.follow(late.hosts)
    assert late.health[1] == "/failed_outlier_check"
    late.detector.stop()
    assert late.health[1] == "healthy"


def test_reports_of_hosts_that_are_gone_change_nothing() -> None:
    world = World()
    gone: Address = SocketAddress("10.9.9.9", 1)
    world.take(OutlierReport("app", ((gone, Ejection.CONSECUTIVE_5XX),), {gone: (1, 1, 0, 0)}))
    assert world.counted("ejections_total") == 0
