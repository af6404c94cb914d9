"""Active checks as a dialogue: what is asked, what a host answers, which flags follow."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.base.address import PipeAddress, SocketAddress
from dataplane.base.deadlines import DeadlineWheel
from dataplane.observe.stats import StatsStore
from dataplane.resilience.health import CheckIntervals
from dataplane.snapshot.health_check import HealthCheck, HttpHealthCheck, TcpHealthCheck
from dataplane.upstream.health_check import HealthChecker
from dataplane.upstream.host import UpstreamHost
from tests.support.upstream_wire import Clock, Peer, Wire

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
UNAVAILABLE = b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"
INTERVALS = CheckIntervals(
    healthy=10.0, unhealthy=20.0, healthy_edge=3.0, unhealthy_edge=4.0, no_traffic=60.0, no_traffic_healthy=50.0
)


class World:
    """One checker over connections that the test opens and answers."""

    def __init__(self, kind: HttpHealthCheck | TcpHealthCheck, *hosts: UpstreamHost, traffic: bool = True, **more: Any) -> None:
        self.connector = Wire()
        self.clock: Clock = self.connector.clock
        self.store = StatsStore()
        self.changes = 0
        self.checked: list[tuple[bool, bool]] = []
        config = HealthCheck(kind, timeout=1.0, intervals=INTERVALS, healthy_threshold=2, unhealthy_threshold=2, **more)
        self.checker = HealthChecker(
            config,
            "the-cluster",
            self.store.scope("hc."),
            lambda host: self.connector,
            DeadlineWheel(self.clock.time, self.clock.call_at),
            self.clock.time,
            lambda: 0.5,
            lambda: traffic,
            self.on_change,
            self.on_checked,
        )
        self.hosts = hosts or (UpstreamHost(SocketAddress("10.0.0.1", 80)),)
        self.host = self.hosts[0]
        self.checker.follow(self.hosts)

    def on_change(self) -> None:
        self.changes += 1

    def on_checked(self, host: UpstreamHost, succeeded: bool, changed: bool) -> None:
        self.checked.append((succeeded, changed))

    @property
    def peer(self) -> Peer:
        return self.connector.peers[-1]

    def stat(self, name: str) -> int:
        return {**self.store.counters, **self.store.gauges}[f"hc.{name}"].value


def http(**more: Any) -> HttpHealthCheck:
    return HttpHealthCheck(path=b"/hz", **more)


def test_a_new_host_is_asked_at_once_and_gets_no_traffic_before_it_answers() -> None:
    world = World(http(fields=((b"x-a", b"b"),)))
    assert world.host.describe_health() == "/failed_active_hc/pending_active_hc"
    assert world.host.is_excluded
    peer = world.peer.accept()
    assert peer.take() == b"GET /hz HTTP/1.1\r\nhost: the-cluster\r\nuser-agent: Envoy/HC\r\nx-a: b\r\n\r\n"
    peer.send(OK)
    assert world.host.describe_health() == "healthy"
    assert world.changes == 1
    assert (world.stat("attempt"), world.stat("success"), world.stat("healthy")) == (1, 1, 1)


def test_checks_go_on_over_the_same_connection() -> None:
    world = World(http())
    world.peer.accept().send(OK)
    world.peer.take()
    world.clock.advance(10.1)
    assert world.peer.take().startswith(b"GET /hz")
    assert len(world.connector.peers) == 1


def test_a_connection_of_its_own_for_every_check() -> None:
    world = World(http(), reuse_connection=False)
    world.peer.accept().send(OK)
    assert world.peer.closed
    world.clock.advance(10.1)
    assert len(world.connector.peers) == 2


def test_a_wrong_status_fails_at_once_and_recovery_needs_the_threshold() -> None:
    world = World(http())
    peer = world.peer.accept()
    peer.send(OK)
    world.clock.advance(10.1)
    peer.send(UNAVAILABLE)
    assert world.host.describe_health() == "/failed_active_hc"
    assert (world.stat("failure"), world.stat("network_failure"), world.stat("healthy")) == (1, 0, 0)
    world.clock.advance(20.1)
    peer.send(OK)
    assert world.host.describe_health() == "/failed_active_hc"
    world.clock.advance(3.1)  # the edge interval
    peer.send(OK)
    assert world.host.describe_health() == "healthy"
    assert world.changes == 3
    assert world.checked == [(True, True), (False, True), (True, False), (True, True)]


def test_a_retriable_status_needs_the_threshold() -> None:
    world = World(http(retriable_statuses=((500, 600),)))
    peer = world.peer.accept()
    peer.send(OK)
    world.clock.advance(10.1)
    peer.send(UNAVAILABLE)
    assert world.host.describe_health() == "healthy"
    world.clock.advance(4.1)
    peer.send(UNAVAILABLE)
    assert world.host.describe_health() == "/failed_active_hc"


def test_other_statuses_may_be_expected() -> None:
    world = World(http(expected_statuses=((200, 201), (500, 504))))
    world.peer.accept().send(b"HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\n", b"hi")
    assert world.host.describe_health() == "healthy"


def test_a_degraded_host() -> None:
    world = World(http())
    world.peer.accept().send(b"HTTP/1.1 200 OK\r\nx-envoy-degraded: \r\ncontent-length: 0\r\n\r\n")
    assert world.host.describe_health() == "/degraded_active_hc"
    assert world.stat("degraded") == 1


@pytest.mark.parametrize("how", ["refuse", "finish"])
def test_network_failures_need_the_threshold(how: str) -> None:
    world = World(http())
    peer = world.peer.accept()
    peer.send(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
    for wait, health in ((10.1, "healthy"), (4.1, "/failed_active_hc")):
        world.clock.advance(wait)
        if how == "refuse":
            world.peer.refuse()
        else:
            world.peer.accept().finish()
        assert world.host.describe_health() == health
    assert world.stat("network_failure") == 2


@pytest.mark.parametrize("connects", [True, False])
def test_silence_is_a_failure(connects: bool) -> None:
    world = World(http())
    world.peer.accept().send(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
    world.clock.advance(10.1)
    if connects:
        world.peer.accept()
    world.clock.advance(1.1)
    assert world.host.describe_health() == "healthy"
    world.clock.advance(4.1)
    if connects:
        world.peer.accept()
    world.clock.advance(1.1)
    assert world.host.describe_health() == "/failed_active_hc/active_hc_timeout"
    world.clock.advance(20.1)
    for peer in [peer for peer in world.connector.peers if peer.dialling and not peer.closed]:
        peer.accept()
    world.peer.send(OK)
    assert world.host.describe_health() == "/failed_active_hc"


def test_checks_are_rare_while_the_cluster_has_no_traffic() -> None:
    world = World(http(), traffic=False)
    world.peer.accept().send(OK)
    world.clock.advance(49.0)
    assert world.stat("attempt") == 1
    world.clock.advance(1.1)
    assert world.stat("attempt") == 2


def test_the_first_check_may_wait() -> None:
    world = World(http(), initial_jitter=4.0)
    assert world.connector.peers == []
    world.clock.advance(2.1)
    assert len(world.connector.peers) == 1


def test_where_and_by_which_name_to_ask() -> None:
    named = UpstreamHost(SocketAddress("10.0.0.1", 80), "a.test")
    special = UpstreamHost(SocketAddress("10.0.0.2", 80), "b.test")
    special.health_check_port, special.health_check_hostname = 8080, "hc.test"
    pipe = UpstreamHost(PipeAddress("/s"))
    world = World(http(), named, special, pipe, alt_port=9090)
    asked = {str(peer.address): peer.accept().take() for peer in world.connector.peers}
    assert set(asked) == {"10.0.0.1:9090", "10.0.0.2:8080", "/s"}
    assert b"host: a.test\r\n" in asked["10.0.0.1:9090"]
    assert b"host: hc.test\r\n" in asked["10.0.0.2:8080"]
    assert b"host: the-cluster\r\n" in asked["/s"]
    assert b"host: fixed\r\n" in World(http(host=b"fixed"), named).peer.accept().take()


def test_a_host_that_moves_is_asked_where_it_is() -> None:
    world = World(http())
    world.peer.accept().send(OK)
    world.host.address = SocketAddress("10.0.0.9", 80)
    world.clock.advance(10.1)
    assert str(world.peer.address) == "10.0.0.9:80"
    assert world.connector.peers[0].closed
    assert world.host.describe_health() == "healthy"


def test_hosts_come_and_go() -> None:
    world = World(http())
    world.peer.accept().send(OK)
    other = UpstreamHost(SocketAddress("10.0.0.2", 80))
    excused = UpstreamHost(SocketAddress("10.0.0.3", 80))
    excused.health_check_disabled = True
    world.checker.follow([world.host, other, excused])
    assert [str(peer.address) for peer in world.connector.peers] == ["10.0.0.1:80", "10.0.0.2:80"]
    assert excused.describe_health() == "healthy"
    world.checker.follow([other])
    assert world.connector.peers[0].closed
    world.checker.stop()
    assert all(peer.closed for peer in world.connector.peers)
    assert other.describe_health() == "healthy"
    world.clock.advance(100.0)
    assert world.stat("attempt") == 2


# ---- TCP


def test_tcp_connecting_is_enough_where_nothing_is_expected() -> None:
    world = World(TcpHealthCheck())
    world.peer.accept()
    assert world.host.describe_health() == "healthy"
    assert world.peer.closed
    world.clock.advance(10.1)
    world.peer.refuse()
    world.clock.advance(4.1)
    world.peer.refuse()
    assert world.host.describe_health() == "/failed_active_hc"


def test_tcp_payloads() -> None:
    world = World(TcpHealthCheck(b"PING", (b"PO", b"NG")))
    peer = world.peer.accept()
    assert peer.take() == b"PING"
    peer.send(b"P", b"O.")
    assert world.stat("success") == 0
    peer.send(b"NG")
    assert world.host.describe_health() == "healthy"


def test_tcp_end_or_silence_instead_of_the_payload() -> None:
    world = World(TcpHealthCheck(b"PING", (b"PONG",)))
    world.peer.accept().send(b"PONG")
    world.clock.advance(10.1)
    world.peer.accept().finish()
    world.clock.advance(4.1)
    world.peer.accept()
    world.clock.advance(1.1)
    assert world.host.describe_health() == "/failed_active_hc/active_hc_timeout"
    assert world.peer.closed
    world.clock.advance(20.1)
    world.checker.stop()
    assert world.peer.closed
