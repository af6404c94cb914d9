"""Clusters whose hosts are names: when they are ready, and how they follow the answers."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.base.address import SocketAddress
from dataplane.snapshot.cluster import (
    Cluster,
    DiscoveryType,
    Endpoint,
    LoadAssignment,
    Locality,
    LocalityEndpoints,
)
from tests.support.cluster_world import UpstreamServer, World, ended, run, static
from tests.support.fake_resolver import FakeResolver, settle
from tests.support.upstream_wire import Recorder


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
