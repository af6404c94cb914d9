"""The hosts of a live cluster that get traffic are those that their checks and outlier detection leave."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from dataplane.api.upstream import NoHealthyHost
from dataplane.resilience.health import CheckIntervals
from dataplane.resilience.outlier import OutlierSettings
from dataplane.server.workers.board import Board
from dataplane.server.workers.publish import FindingsPublisher
from dataplane.server.workers.shared_failures import FailureBlocks, FailureTable
from dataplane.snapshot.cluster import (
    Cluster,
    DiscoveryType,
)
from dataplane.snapshot.health_check import HealthCheck, HttpHealthCheck
from tests.support.cluster_world import UpstreamServer, World, ended, endpoints, run, static
from tests.support.upstream_wire import Recorder
from tests.support.waiting import wait_until_async


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


@pytest.mark.parametrize("workers", [0, 2])
def test_new_settings_of_outlier_detection_begin_failures_in_a_row_anew(workers: int) -> None:
    """workers: who count together; 0 where one process is all there are."""

    async def test() -> None:
        blocks = FailureBlocks(FailureTable.create(workers))
        world = World(FindingsPublisher(Board(), blocks, lambda: None, lambda stat_name: False) if workers else None)
        settings = OutlierSettings(consecutive_5xx=2, max_ejection_percent=100)

        def fail() -> str:
            (host,) = world.cluster().hosts
            assert host.monitor is not None
            host.monitor.on_status(500)
            return host.describe_health()

        world.apply(static("c", 1, outlier_detection=settings))
        assert fail() == "healthy"
        world.apply(static("c", 1, outlier_detection=replace(settings, interval=20.0)))
        assert fail() == "healthy", "the first one of a new row"
        assert fail() == "/failed_outlier_check"
        world.manager.stop()

    asyncio.run(test())
