"""Live clusters follow the generations: who comes, changes, goes; what survives.  Real loop, no sockets but where one is dialled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from dataplane.api.upstream import NoHealthyHost
from dataplane.base.address import SocketAddress
from dataplane.base.deadlines import DeadlineWheel
from dataplane.observe.stats import StatsStore
from dataplane.resilience.health import CheckIntervals
from dataplane.resilience.outlier import OutlierSettings
from dataplane.snapshot.cluster import (
    CircuitBreakerThresholds,
    Cluster,
    DiscoveryType,
    Endpoint,
    HealthStatus,
    HttpProtocolOptions,
    LeastRequest,
    LoadAssignment,
    Locality,
    LocalityEndpoints,
)
from dataplane.snapshot.health_check import HealthCheck, HttpHealthCheck
from dataplane.snapshot.snapshot import EMPTY, Holder, Snapshot
from dataplane.upstream.cluster import UpstreamCluster
from dataplane.upstream.cluster_manager import ClusterManager
from tests.support.fake_resolver import FakeResolver, settle
from tests.support.upstream_wire import Recorder
from tests.support.waiting import wait_until_async

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


def endpoints(*ports: int, host: str = "127.0.0.1", **more: Any) -> LoadAssignment:
    members = tuple(Endpoint(SocketAddress(host, port), **more) for port in ports)
    return LoadAssignment("c", (LocalityEndpoints(Locality(), members),))


def static(name: str, *ports: int, **more: Any) -> Cluster:
    return Cluster(name, DiscoveryType.STATIC, endpoints(*ports), **more)


class World:
    """A manager and the generations it went through."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.stats = StatsStore()
        self.manager = ClusterManager(Holder(), self.stats, loop, DeadlineWheel(loop.time, loop.call_at))
        self.current = EMPTY

    def apply(self, *clusters: Cluster, **assignments: LoadAssignment) -> None:
        by_name = MappingProxyType({cluster.name: cluster for cluster in clusters})
        following = Snapshot(self.current.generation + 1, EMPTY.listeners, EMPTY.route_configurations, by_name, assignments)
        self.manager.apply(self.current, following)
        self.current = following

    def cluster(self, name: str = "c") -> UpstreamCluster:
        found = self.manager.get(name)
        assert found is not None
        return found

    def hosts(self, name: str = "c") -> list[str]:
        return [str(host.address) for facts in self.manager.facts() if facts.name == name for host in facts.hosts]

    def stat(self, name: str) -> int:
        found = self.stats.counters.get(name) or self.stats.gauges.get(name)
        return found.value if found is not None else -1


class Upstream(asyncio.Protocol):
    """Answers every request; `held` keeps the answer back until `release`."""

    def __init__(self, server: UpstreamServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._server.connections.append(self)
        self._server.open += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.open -= 1

    def data_received(self, data: bytes) -> None:
        self._server.requests += 1
        if not self._server.held:
            self.answer()

    def answer(self) -> None:
        self.transport.write(ANSWER)  # type: ignore[attr-defined]


class UpstreamServer:
    def __init__(self) -> None:
        self.connections: list[Upstream] = []
        self.requests = 0
        self.open = 0
        self.held = False
        self.port = 0

    async def __aenter__(self) -> UpstreamServer:
        self._server = await asyncio.get_running_loop().create_server(lambda: Upstream(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def stop(self) -> None:
        """As if the process had died."""
        self._server.close()
        for connection in self.connections:
            connection.transport.close()

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for connection in self.connections:
            connection.transport.close()
        await self._server.wait_closed()


async def ended(recorder: Recorder) -> None:
    await wait_until_async(
        lambda: any("end" in event or "failed" in event or "reset" in event for event in recorder.events), "an end"
    )


def run(test: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    async def with_world() -> None:
        world = World()
        try:
            await test(world)
        finally:
            world.manager.stop()
            await settle()

    asyncio.run(with_world())


def test_clusters_come_and_go() -> None:
    async def test(world: World) -> None:
        world.apply(static("a", 1, 2), static("b", 3))
        assert world.hosts("a") == ["127.0.0.1:1", "127.0.0.1:2"]
        assert world.stat("cluster.a.membership_total") == 2
        assert world.stat("cluster.a.membership_healthy") == 2
        assert world.stat("cluster.a.membership_change") == 1
        world.apply(world.current.clusters["a"])
        assert world.manager.get("b") is None
        assert world.stat("cluster.b.membership_total") == -1
        manager = ("cluster_added", "cluster_modified", "cluster_removed", "active_clusters")
        assert [world.stat(f"cluster_manager.{name}") for name in manager] == [2, 0, 1, 1]

    run(test)


def test_of_many_new_clusters_each_is_there_when_asked_for_and_the_rest_follows() -> None:
    async def test(world: World) -> None:
        count = 100
        world.apply(*[static(f"c{number}", 1) for number in range(count)])
        assert world.stat("cluster_manager.active_clusters") == count
        assert world.stat("cluster.c0.membership_total") == 1
        assert world.stat("cluster.c99.membership_total") == -1
        assert [str(host.address) for host in world.cluster("c99").facts().hosts] == ["127.0.0.1:1"]
        world.apply(*[static(f"c{number}", 2, 3) for number in range(count) if number != 98])
        assert world.manager.get("c98") is None
        await wait_until_async(lambda: world.stat("cluster.c97.membership_total") == 2, "all are made")
        assert len(world.manager.facts()) == count - 1
        assert world.stat("cluster.c98.membership_total") == -1

    run(test)


def test_looking_at_all_clusters_makes_them() -> None:
    async def test(world: World) -> None:
        eds = [Cluster(f"c{number}", DiscoveryType.EDS, eds_service_name=f"c{number}") for number in range(60)]
        world.apply(*eds, c59=endpoints(7))
        assert len(world.manager.facts()) == 60
        assert world.hosts("c59") == ["127.0.0.1:7"]

    run(test)


def test_a_cluster_without_hosts_has_nobody_to_offer() -> None:
    async def test(world: World) -> None:
        world.apply(Cluster("c", DiscoveryType.EDS, eds_service_name="s"))
        with pytest.raises(NoHealthyHost):
            world.cluster().open_stream(Recorder(), None, 0)
        assert world.stat("cluster.c.upstream_cx_none_healthy") == 1

    run(test)


def test_eds_assignments_are_followed() -> None:
    async def test(world: World) -> None:
        eds = Cluster("c", DiscoveryType.EDS, eds_service_name="s")
        world.apply(eds, c=endpoints(1, 2))
        assert world.hosts() == ["127.0.0.1:1", "127.0.0.1:2"]
        world.apply(eds, c=endpoints(2, 3))
        assert world.hosts() == ["127.0.0.1:2", "127.0.0.1:3"]
        world.apply(eds, c=endpoints(2, 3, health_status=HealthStatus.DRAINING))
        assert world.stat("cluster.c.membership_healthy") == 0
        assert world.stat("cluster.c.membership_excluded") == 2
        assert world.stat("cluster.c.membership_change") == 2

    run(test)


def test_a_request_finds_its_way() -> None:
    async def test(world: World) -> None:
        async with UpstreamServer() as server:
            world.apply(static("c", server.port))
            request = Recorder()
            world.cluster().open_stream(request, None, 0)
            await ended(request)
            assert request.events == ["ready", "headers 200 end"]
            (facts,) = world.manager.facts()
            (host,) = facts.hosts
            assert (host.counters["rq_total"], host.counters["cx_total"], host.gauges["cx_active"]) == (1, 1, 1)
            world.manager.stop()

    run(test)


def test_pools_survive_changes_that_connections_do_not_feel() -> None:
    async def test(world: World) -> None:
        async with UpstreamServer() as server:
            world.apply(static("c", server.port))
            first = Recorder()
            world.cluster().open_stream(first, None, 0)
            await ended(first)
            world.apply(
                static(
                    "c",
                    server.port,
                    lb_policy="LEAST_REQUEST",
                    lb_config=LeastRequest(3),
                    circuit_breakers=(CircuitBreakerThresholds(max_requests=5), CircuitBreakerThresholds()),
                )
            )
            assert world.cluster().breakers(0).requests.limit == 5
            again = Recorder()
            world.cluster().open_stream(again, None, 0)
            await ended(again)
            assert len(server.connections) == 1

            world.apply(static("c", server.port, http=HttpProtocolOptions(idle_timeout=7.0)))
            await wait_until_async(lambda: server.open == 0, "the old connection closes")
            third = Recorder()
            world.cluster().open_stream(third, None, 0)
            await ended(third)
            assert len(server.connections) == 2

    run(test)


@pytest.mark.parametrize("how", ["host removed", "cluster removed", "connections changed"])
def test_requests_under_way_outlive_what_carried_them(how: str) -> None:
    async def test(world: World) -> None:
        async with UpstreamServer() as server:
            server.held = True
            world.apply(static("c", server.port))
            request = Recorder()
            world.cluster().open_stream(request, None, 0)
            await wait_until_async(lambda: server.requests == 1, "the request arrives")
            if how == "host removed":
                world.apply(static("c", 1))
            elif how == "cluster removed":
                world.apply()
            else:
                world.apply(static("c", server.port, connect_timeout=1.0))
            assert server.open == 1
            server.connections[0].answer()
            await ended(request)
            assert request.events == ["ready", "headers 200 end"]
            await wait_until_async(lambda: server.open == 0, "the connection closes")
            expected = -1 if how == "cluster removed" else 0
            await wait_until_async(lambda: world.stat("cluster.c.upstream_cx_active") == expected, "it is counted")

    run(test)


def test_a_removed_cluster_still_serves_who_holds_it() -> None:
    async def test(world: World) -> None:
        async with UpstreamServer() as server:
            world.apply(static("c", server.port))
            held = world.cluster()
            world.apply()
            request = Recorder()
            held.open_stream(request, None, 0)
            await ended(request)
            assert request.events == ["ready", "headers 200 end"]
            await wait_until_async(lambda: server.open == 0, "the connection closes")

    run(test)


def test_a_cluster_that_comes_back_keeps_its_counters() -> None:
    async def test(world: World) -> None:
        async with UpstreamServer() as server:
            server.held = True
            world.apply(static("c", server.port))
            request = Recorder()
            world.cluster().open_stream(request, None, 0)
            await wait_until_async(lambda: server.requests == 1, "the request arrives")
            world.apply()
            world.apply(static("c", server.port))
            server.connections[0].answer()
            await ended(request)
            assert world.stat("cluster.c.upstream_rq_total") == 1
            assert world.stat("cluster.c.upstream_rq_active") == 0

    run(test)


def test_another_stat_name_is_another_set_of_stats() -> None:
    async def test(world: World) -> None:
        world.apply(static("c", 1))
        before = world.cluster()
        world.apply(static("c", 1, alt_stat_name="other"))
        assert world.cluster() is not before
        assert world.hosts() == ["127.0.0.1:1"]
        assert world.stat("cluster.other.membership_total") == 1
        assert world.stat("cluster.c.membership_total") == -1

    run(test)


def test_facts_as_the_admin_endpoint_shows_them() -> None:
    async def test(world: World) -> None:
        world.apply(static("c", 1, alt_stat_name="alt", added_via_api=True))
        (facts,) = world.manager.facts()
        assert (facts.name, facts.observability_name, facts.added_via_api) == ("c", "alt", True)
        (host,) = facts.hosts
        assert list(host.counters) == ["cx_connect_fail", "cx_total", "rq_error", "rq_success", "rq_timeout", "rq_total"]
        assert host.health_flags == "healthy"
        assert "c" in repr(world.cluster())
        assert "clusters=1" in repr(world.manager)

    run(test)


# ---- health checks


def checked(*ports: int) -> Cluster:
    intervals = CheckIntervals(
        healthy=0.02, unhealthy=0.02, healthy_edge=0.02, unhealthy_edge=0.02, no_traffic=0.02, no_traffic_healthy=0.02
    )
    check = HealthCheck(HttpHealthCheck(b"/hz"), timeout=5.0, intervals=intervals, healthy_threshold=1, unhealthy_threshold=1)
    return static("c", *ports, health_checks=(check,), panic_threshold=0.0)


def test_traffic_goes_where_the_checks_succeed() -> None:
    async def test(world: World) -> None:
        async with UpstreamServer() as server:
            world.apply(checked(server.port, 1))
            assert world.stat("cluster.c.membership_healthy") == 0
            assert world.stat("cluster.c.membership_excluded") == 2
            with pytest.raises(NoHealthyHost):
                world.cluster().open_stream(Recorder(), None, 0)
            await wait_until_async(lambda: world.stat("cluster.c.membership_healthy") == 1, "one host is healthy")
            await wait_until_async(lambda: world.stat("cluster.c.membership_excluded") == 0, "the other was asked, too")
            for _ in range(4):
                request = Recorder()
                world.cluster().open_stream(request, None, 0)
                await ended(request)
                assert request.events == ["ready", "headers 200 end"]
            assert world.stat("cluster.c.upstream_cx_total") == 1
            flags = [host.health_flags for facts in world.manager.facts() for host in facts.hosts]
            assert flags == ["healthy", "/failed_active_hc"]
            world.apply(static("c", server.port, 1))
            assert world.stat("cluster.c.membership_healthy") == 2
            await wait_until_async(lambda: server.open == 1, "the check's connection closes")
            checks = server.requests
            for _ in range(2):  # one of them meets the host that listens nowhere
                request = Recorder()
                world.cluster().open_stream(request, None, 0)
                await ended(request)
            assert server.requests == checks + 1
            world.manager.stop()

    run(test)


def test_a_removed_host_stays_while_its_checks_succeed() -> None:
    async def test(world: World) -> None:
        async with UpstreamServer() as staying, UpstreamServer() as removed:
            eds = replace(checked(), discovery=DiscoveryType.EDS, load_assignment=None, eds_service_name="s")
            world.apply(eds, c=endpoints(staying.port, removed.port))
            await wait_until_async(lambda: world.stat("cluster.c.membership_healthy") == 2, "both are healthy")
            world.apply(eds, c=endpoints(staying.port))
            assert world.hosts() == [f"127.0.0.1:{staying.port}", f"127.0.0.1:{removed.port}"]
            (facts,) = world.manager.facts()
            assert [host.health_flags for host in facts.hosts] == ["healthy", "/pending_dynamic_removal"]
            removed.stop()
            await wait_until_async(lambda: world.hosts() == [f"127.0.0.1:{staying.port}"], "it goes when its check fails")
            world.manager.stop()

    run(test)


def test_a_removed_host_goes_at_once_where_checks_are_not_to_be_asked() -> None:
    async def test(world: World) -> None:
        async with UpstreamServer() as staying, UpstreamServer() as removed:
            eds = replace(
                checked(),
                discovery=DiscoveryType.EDS,
                load_assignment=None,
                eds_service_name="s",
                ignore_health_on_host_removal=True,
            )
            world.apply(eds, c=endpoints(staying.port, removed.port))
            await wait_until_async(lambda: world.stat("cluster.c.membership_healthy") == 2, "both are healthy")
            world.apply(eds, c=endpoints(staying.port))
            assert world.hosts() == [f"127.0.0.1:{staying.port}"]
            world.manager.stop()

    run(test)


def test_an_ejected_host_gets_no_traffic() -> None:
    async def test(world: World) -> None:
        async with UpstreamServer() as good, UpstreamServer() as bad:
            outliers = OutlierSettings(consecutive_5xx=2, max_ejection_percent=100)
            world.apply(static("c", good.port, bad.port, outlier_detection=outliers))
            request = Recorder()
            while request.host is None or str(request.host.address) != f"127.0.0.1:{bad.port}":
                request = Recorder()
                world.cluster().open_stream(request, None, 0)
                await ended(request)
            monitor = request.host.monitor
            assert monitor is not None
            monitor.on_status(500)
            monitor.on_failure()
            await wait_until_async(lambda: world.stat("cluster.c.membership_healthy") == 1, "one is ejected")
            await wait_until_async(lambda: bad.open == 0, "its connections close")
            before = bad.requests
            for _ in range(4):
                request = Recorder()
                world.cluster().open_stream(request, None, 0)
                await ended(request)
            assert bad.requests == before
            assert world.stat("cluster.c.outlier_detection.ejections_active") == 1
            world.apply(static("c", good.port, bad.port))
            assert world.stat("cluster.c.membership_healthy") == 2
            world.manager.stop()

    run(test)


# ---- DNS


def named(*names: str, discovery: DiscoveryType = DiscoveryType.STRICT_DNS, **more: Any) -> Cluster:
    members = tuple(Endpoint(SocketAddress(name, 80)) for name in names)
    return Cluster("c", discovery, LoadAssignment("c", (LocalityEndpoints(Locality(), members),)), **more)


def with_resolver(monkeypatch: pytest.MonkeyPatch) -> FakeResolver:
    resolver = FakeResolver()
    monkeypatch.setattr("dataplane.upstream.cluster_manager.Resolver", lambda *_: resolver)
    return resolver


def test_a_cluster_with_names_is_ready_when_they_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = with_resolver(monkeypatch)

    async def test(world: World) -> None:
        ready: list[str] = []
        cluster = named("a.test")
        assert not world.manager.prepare(cluster, lambda: ready.append("now"))
        assert not world.manager.prepare(cluster, lambda: ready.append("now"))
        await settle()
        assert world.stat("cluster_manager.warming_clusters") == 1
        assert resolver.asked == ["a.test"]
        resolver.answer("a.test", "10.0.0.1")
        await settle()
        assert ready == ["now"]
        assert world.manager.prepare(cluster, lambda: None)
        world.apply(cluster)
        assert world.hosts() == ["10.0.0.1:80"]
        assert world.stat("cluster_manager.warming_clusters") == 0
        assert resolver.asked == ["a.test"]

    run(test)


def test_what_needs_no_names_is_ready_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with_resolver(monkeypatch)

    async def test(world: World) -> None:
        assert world.manager.prepare(static("s", 1), lambda: None)
        assert world.manager.prepare(named("10.0.0.1"), lambda: None)
        assert world.manager.prepare(named("a.test", wait_for_warm_on_init=False), lambda: None)

    run(test)


def test_new_names_of_a_live_cluster_are_waited_for_other_changes_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = with_resolver(monkeypatch)
    resolver.answer("a.test", "10.0.0.1")

    async def test(world: World) -> None:
        world.apply(named("a.test"))
        await settle()
        same_names = named("a.test", connect_timeout=1.0)
        assert world.manager.prepare(same_names, lambda: None)
        world.apply(same_names)
        other = named("b.test")
        assert not world.manager.prepare(other, lambda: None)
        await settle()
        assert world.hosts() == ["10.0.0.1:80"]
        resolver.answer("b.test", "10.0.0.2")
        await settle()
        assert world.manager.prepare(other, lambda: None)
        world.apply(other)
        assert world.hosts() == ["10.0.0.2:80"]

    run(test)


def test_a_prepared_cluster_that_changes_again_is_prepared_again(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = with_resolver(monkeypatch)

    async def test(world: World) -> None:
        world.manager.prepare(named("a.test"), lambda: None)
        world.manager.prepare(named("b.test"), lambda: None)
        await settle()
        resolver.answer("b.test", "10.0.0.2")
        await settle()
        world.apply(named("b.test"))
        assert world.hosts() == ["10.0.0.2:80"]

    run(test)


def test_a_logical_host_moves_with_its_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = with_resolver(monkeypatch)

    async def test(world: World) -> None:
        async with UpstreamServer() as server:
            resolver.answer("a.test", "127.0.0.1")
            assignment = LoadAssignment("c", (LocalityEndpoints(Locality(), (Endpoint(SocketAddress("a.test", server.port)),)),))
            world.apply(Cluster("c", DiscoveryType.LOGICAL_DNS, assignment))
            await settle()
            request = Recorder()
            world.cluster().open_stream(request, None, 0)
            await ended(request)
            moved = LoadAssignment("c", (LocalityEndpoints(Locality(), (Endpoint(SocketAddress("127.0.0.2", 1), "a.test"),)),))
            world.cluster().assign(moved)
            assert world.hosts() == ["127.0.0.2:1"]
            again = Recorder()
            world.cluster().open_stream(again, None, 0)
            await ended(again)
            assert again.events == ["ready", "headers 200 end"]
            assert len(server.connections) == 1

    run(test)


class Wanting:
    """A context that does not want some ports, or has its own loads by priority."""

    def __init__(self, unwanted: set[int], attempts: int, loads: Sequence[int] | None = None) -> None:
        self.loads = loads
        self.unwanted = unwanted
        self.attempts = attempts

    def hash_key(self) -> int | None:
        return None

    def excluded(self, host: Any) -> bool:
        return host.address.port in self.unwanted

    def priority_loads(self, availability: Callable[[], Sequence[int]]) -> Sequence[int] | None:
        return self.loads

    def selection_attempts(self) -> int:
        return self.attempts


def test_a_retry_gets_another_host_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: World) -> None:
        async with UpstreamServer() as first, UpstreamServer() as second:
            world.apply(static("c", first.port, second.port))
            for _ in range(4):
                request = Recorder()
                world.cluster().open_stream(request, Wanting({first.port}, 3), 0)
                await ended(request)
            assert (first.requests, second.requests) == (0, 4)
            request = Recorder()
            world.cluster().open_stream(request, Wanting({first.port, second.port}, 3), 0)
            await ended(request)
            assert first.requests + second.requests == 5

    run(test)


def test_a_request_may_bring_its_own_loads_by_priority() -> None:
    async def test(world: World) -> None:
        async with UpstreamServer() as first, UpstreamServer() as second:
            here, there = endpoints(first.port).localities[0], endpoints(second.port).localities[0]
            both = LoadAssignment("c", (here, replace(there, priority=1)))
            world.apply(Cluster("c", DiscoveryType.STATIC, load_assignment=both))
            for loads in ([0, 100], [0, 100], None):
                request = Recorder()
                world.cluster().open_stream(request, Wanting(set(), 0, loads), 0)
                await ended(request)
            assert (first.requests, second.requests) == (1, 2)

    run(test)
