"""A cluster manager on the real loop, with the generations it goes through and upstream servers that it may dial."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import MappingProxyType
from typing import Any

from dataplane.base.address import SocketAddress
from dataplane.base.deadlines import DeadlineWheel
from dataplane.observe.stats import StatsStore
from dataplane.snapshot.cluster import (
    Cluster,
    DiscoveryType,
    Endpoint,
    LoadAssignment,
    Locality,
    LocalityEndpoints,
)
from dataplane.snapshot.snapshot import EMPTY, Holder, Snapshot
from dataplane.upstream.cluster import UpstreamCluster
from dataplane.upstream.cluster_manager import ClusterManager
from dataplane.upstream.findings import FindingsSink
from tests.support.fake_resolver import settle
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

    def __init__(self, sink: FindingsSink | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.stats = StatsStore()
        self.manager = ClusterManager(Holder(), self.stats, loop, DeadlineWheel(loop.time, loop.call_at), sink=sink)
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
