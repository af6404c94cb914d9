"""Live clusters follow the generations: who comes, changes, goes; what survives."""

from __future__ import annotations

import pytest

from dataplane.api.upstream import NoHealthyHost
from dataplane.snapshot.cluster import (
    CircuitBreakerThresholds,
    Cluster,
    DiscoveryType,
    HealthStatus,
    HttpProtocolOptions,
    LeastRequest,
)
from tests.support.cluster_world import UpstreamServer, World, ended, endpoints, run, static
from tests.support.upstream_wire import Recorder
from tests.support.waiting import wait_until_async


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
