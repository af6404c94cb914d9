"""Outlier detection as the router and the clock drive it.  The numbers of the first tests are those of Envoy 1.40."""

from __future__ import annotations

import json
from typing import Any, cast

from dataplane.base.address import SocketAddress
from dataplane.base.deadlines import DeadlineWheel
from dataplane.observe.log_file import LogFile
from dataplane.observe.stats import StatsStore
from dataplane.resilience.outlier import OutlierSettings
from dataplane.upstream.host import UpstreamHost
from dataplane.upstream.outlier import OutlierDetector
from dataplane.upstream.outlier_log import OutlierLog
from tests.support.upstream_wire import Clock


class World:
    def __init__(self, hosts: int = 3, chance: float = 0.0, **settings: Any) -> None:
        self.clock = Clock()
        self.store = StatsStore()
        self.changes = 0
        self.ejected: list[int] = []
        self.events: list[dict[str, Any]] = []
        self.hosts = [UpstreamHost(SocketAddress("10.0.0.1", port)) for port in range(hosts)]
        self.detector = OutlierDetector(
            OutlierSettings(**{"max_ejection_percent": 100, **settings}),
            self.store.scope("od."),
            DeadlineWheel(self.clock.time, self.clock.call_at),
            self.clock.time,
            lambda: chance,
            self.on_change,
            lambda host: self.ejected.append(self.hosts.index(host)),
            "app",
            OutlierLog(cast(LogFile, self), self.clock.time),
        )
        self.detector.follow(self.hosts)

    def on_change(self) -> None:
        self.changes += 1

    def write(self, line: bytes) -> None:
        """As the file of the log of ejections."""
        self.events.append(json.loads(line))

    def answer(self, host: int, *statuses: int) -> None:
        monitor = self.hosts[host].monitor
        assert monitor is not None
        for status in statuses:
            monitor.on_status(status)

    def health(self) -> list[str]:
        return [host.describe_health() for host in self.hosts]

    def counted(self) -> dict[str, int]:
        values = {**self.store.counters, **self.store.gauges}
        return {name.removeprefix("od."): stat.value for name, stat in values.items() if stat.value}


def test_five_errors_in_a_row_eject() -> None:
    world = World(max_ejection_percent=50)
    world.answer(1, 500, 500, 500, 500)
    assert world.changes == 0
    world.answer(1, 500)
    assert world.health() == ["healthy", "/failed_outlier_check", "healthy"]
    assert world.ejected == [1]
    assert world.changes == 1
    assert world.counted() == {
        "ejections_active": 1,
        "ejections_consecutive_5xx": 1,
        "ejections_detected_consecutive_5xx": 1,
        "ejections_enforced_consecutive_5xx": 1,
        "ejections_enforced_total": 1,
        "ejections_total": 1,
    }


def test_too_many_are_not_ejected() -> None:
    world = World(max_ejection_percent=50)
    world.answer(0, *[500] * 5)
    world.answer(1, *[500] * 10)
    assert world.health() == ["/failed_outlier_check", "healthy", "healthy"]
    assert world.counted()["ejections_overflow"] == 2
    assert world.counted()["ejections_detected_consecutive_5xx"] == 3


def test_an_ejected_host_is_not_detected_again() -> None:
    world = World()
    world.answer(0, *[500] * 20)
    assert world.counted()["ejections_detected_consecutive_5xx"] == 1


def test_chance_may_spare_a_host() -> None:
    world = World(chance=0.5, enforcing_consecutive_5xx=50)
    world.answer(0, *[500] * 5)
    assert world.health()[0] == "healthy"
    assert "ejections_enforced_total" not in world.counted()
    world = World(chance=0.49, enforcing_consecutive_5xx=50)
    world.answer(0, *[500] * 5)
    assert world.health()[0] == "/failed_outlier_check"


def test_timeouts_and_broken_connections_count() -> None:
    world = World(consecutive_5xx=2)
    monitor = world.hosts[0].monitor
    assert monitor is not None
    monitor.on_timeout()
    monitor.on_failure()
    assert world.health()[0] == "/failed_outlier_check"
    assert world.counted()["ejections_detected_consecutive_5xx"] == 1


def test_counted_apart() -> None:
    world = World(split_external_local_origin_errors=True, consecutive_local_origin_failure=2)
    monitor = world.hosts[0].monitor
    assert monitor is not None
    monitor.on_failure()
    monitor.on_connected()
    monitor.on_status(500)
    monitor.on_failure()
    assert world.health()[0] == "healthy"
    monitor.on_timeout()
    assert world.counted()["ejections_enforced_consecutive_local_origin_failure"] == 1


def test_the_time_of_an_ejection() -> None:
    world = World(interval=10.0, base_ejection_time=30.0)
    world.answer(0, *[500] * 5)
    world.clock.advance(29.0)
    assert world.health()[0] == "/failed_outlier_check"
    world.clock.advance(11.2)
    assert world.health()[0] == "healthy"
    assert "ejections_active" not in world.counted()
    assert world.changes == 2


def test_the_statistics_of_an_interval_eject() -> None:
    world = World(hosts=6, success_rate_minimum_hosts=5, success_rate_request_volume=10, consecutive_5xx=0)
    for host in range(5):
        world.answer(host, *[200] * 10)
    world.answer(5, *[500] * 5, *[200] * 5)
    world.clock.advance(10.1)
    assert world.health()[5] == "/failed_outlier_check"
    assert world.counted()["ejections_enforced_success_rate"] == 1
    assert world.counted()["ejections_success_rate"] == 1
    assert [host.success_rate for host in world.hosts] == [100, 100, 100, 100, 100, 50]
    [event] = world.events
    assert event["type"] == "SUCCESS_RATE"
    assert event["timestamp"] == "1970-01-01T00:16:50.001Z"
    assert event["eject_success_rate_event"] == {
        "host_success_rate": 50,
        "cluster_average_success_rate": 91,
        "cluster_success_rate_ejection_threshold": 56,
    }


def test_local_statistics_only_count_where_they_are_kept_apart() -> None:
    local = {"failure_percentage_minimum_hosts": 2, "failure_percentage_request_volume": 4, "consecutive_local_origin_failure": 0}
    world = World(hosts=2, split_external_local_origin_errors=True, enforcing_local_origin_failure_percentage=100, **local)
    for _ in range(4):
        monitor = world.hosts[0].monitor
        assert monitor is not None
        monitor.on_failure()
        other = world.hosts[1].monitor
        assert other is not None
        other.on_connected()
    world.clock.advance(10.1)
    assert (world.hosts[0].local_origin_success_rate, world.hosts[1].local_origin_success_rate) == (-1.0, -1.0)
    assert world.counted()["ejections_enforced_local_origin_failure_percentage"] == 1
    assert world.ejected == [0]
    [event] = world.events
    assert event["type"] == "FAILURE_PERCENTAGE_LOCAL_ORIGIN"
    assert event["eject_failure_percentage_event"] == {"host_success_rate": 0}


def test_a_successful_check_takes_a_host_back() -> None:
    world = World()
    world.answer(0, *[500] * 5)
    world.detector.on_check_succeeded(world.hosts[0])
    world.detector.on_check_succeeded(world.hosts[1])
    assert world.health()[0] == "healthy"
    keeping = World(successful_active_health_check_uneject_host=False)
    keeping.answer(0, *[500] * 5)
    keeping.detector.on_check_succeeded(keeping.hosts[0])
    assert keeping.health()[0] == "/failed_outlier_check"


def test_hosts_come_and_go() -> None:
    world = World()
    world.answer(0, *[500] * 5)
    world.answer(1, *[500] * 4)
    gone = world.hosts[0]
    world.detector.follow(world.hosts[1:])
    assert gone.monitor is None
    assert gone.describe_health() == "healthy"
    assert "ejections_active" not in world.counted()
    world.answer(1, 500)
    assert world.health()[1] == "/failed_outlier_check"
    world.detector.stop()
    assert world.health() == ["healthy"] * 3
    world.clock.advance(100.0)
    assert not world.clock.timers
