"""Client and warming together against a server that does not care about order: what is in use after each of its messages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import pytest

from dataplane.base.address import SocketAddress
from dataplane.observe.stats import StatsStore
from dataplane.xds.client import XdsClient
from dataplane.xds.messages import Decoded
from dataplane.xds.source import ADS, ApiSource, EnvoyGrpc, GrpcService, XdsConfig
from dataplane.xds.subscription import WILDCARD
from dataplane.xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE
from tests.support.management_server import ManagementServer, Stream
from tests.support.warming_world import World, assignment, eds_cluster, listener, routes, static_cluster
from tests.support.xds_decoder import TextDecoder, body
from tests.support.xds_recorder import SystemClock

pytestmark = pytest.mark.e2e

FIELDS = {CLUSTER: "clusters", ENDPOINT: "assignments", LISTENER: "listeners", ROUTE: "route_configurations"}


def decode(type_url: str, body: bytes) -> Decoded:
    """The text of a cluster says whether it is EDS; that of a listener or route configuration what it names."""
    decoded = TextDecoder()(type_url, body)
    text = str(decoded.value)
    makers: dict[str, Callable[[str], object]] = {
        CLUSTER: eds_cluster if text == "eds" else static_cluster,
        ENDPOINT: assignment,
        LISTENER: lambda name: listener(name, *text.split()),
        ROUTE: lambda name: routes(name, *text.split()),
    }
    return Decoded(decoded.name, makers[type_url](decoded.name))


class Proxy:
    """What assembly does, as far as it matters for order: names follow resources, every update is followed by a plan."""

    def __init__(self, port: int, delta: bool) -> None:
        self.world = World()
        service = GrpcService(EnvoyGrpc("xds", (SocketAddress("127.0.0.1", port),)))
        scope = StatsStore().scope("")
        self.client = XdsClient(XdsConfig(b"", ApiSource(service, delta)), decode, self, SystemClock(), scope)
        for type_url, names in ((CLUSTER, WILDCARD), (LISTENER, WILDCARD), (ENDPOINT, ()), (ROUTE, ())):
            self.client.subscribe(type_url, ADS, names, lambda _: scope)

    def on_update(self, type_url: str, changed: Mapping[str, Any], removed: Collection[str], version_info: str) -> None:
        field = FIELDS[type_url]
        values = {name: value for name, value in getattr(self.world.accepted, field).items() if name not in removed}
        self.world.accepted = replace(self.world.accepted, **{field: {**values, **changed}})
        accepted = self.world.accepted
        self._want(ENDPOINT, {value.eds_service_name for value in accepted.clusters.values()} - {""})
        self._want(ROUTE, {name for value in accepted.listeners.values() for name in value.rds_names})
        self.world.plan()

    def on_settled(self, type_url: str, name: str | None) -> None:
        self.world.plan()

    def _want(self, type_url: str, names: Collection[str]) -> None:
        """What is not wanted any more is forgotten here too."""
        field = FIELDS[type_url]
        wanted = {name: value for name, value in getattr(self.world.accepted, field).items() if name in names}
        self.world.accepted = replace(self.world.accepted, **{field: wanted})
        self.client.set_names(type_url, ADS, names)

    def serves(self) -> dict[str, set[str]]:
        """Clusters that traffic can reach, by listener; every one of them has to be there."""
        in_use = self.world.in_use
        reached = {
            name: {cluster for route in value.rds_names for cluster in in_use.route_configurations[route].cluster_names}
            for name, value in in_use.listeners.items()
        }
        assert set().union(*reached.values()) <= in_use.clusters.keys()
        return reached


class Hasty:
    """The server's end: sends a resource of each name, waits for the acknowledgement, keeps requests apart from answers."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.nonce = 0

    async def send(self, type_url: str, resources: Mapping[str, str], removed: Collection[str] = ()) -> None:
        """Over SotW, *resources* is all there is."""
        self.nonce += 1
        nonce = f"n{self.nonce}"
        if self.stream.delta:
            messages = {name: (nonce, body(name, text)) for name, text in resources.items()}
            await self.stream.send_delta(type_url, nonce, messages, removed)
        else:
            await self.stream.send_sotw(type_url, nonce, [body(name, text) for name, text in resources.items()])
        while (request := await self.stream.receive()).response_nonce != nonce:
            pass
        assert not request.HasField("error_detail"), request.error_detail.message


def play(delta: bool, scenario: Callable[[Hasty, Proxy], Awaitable[None]]) -> None:
    async def run() -> None:
        async with ManagementServer() as server:
            proxy = Proxy(server.port, delta)
            proxy.client.start()
            try:
                await scenario(Hasty(await server.accept()), proxy)
            finally:
                await proxy.client.stop()

    asyncio.run(run())


both = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])


async def serve_blue(server: Hasty, proxy: Proxy) -> None:
    await server.send(CLUSTER, {"blue": "static"})
    await server.send(LISTENER, {"L": "R"})
    await server.send(ROUTE, {"R": "blue"})
    assert proxy.serves() == {"L": {"blue"}}


@both
def test_routes_before_their_cluster_and_the_old_cluster_removed_at_once(delta: bool) -> None:
    async def scenario(server: Hasty, proxy: Proxy) -> None:
        await serve_blue(server, proxy)
        await server.send(ROUTE, {"R": "green"})
        assert proxy.serves() == {"L": {"blue"}}
        await server.send(CLUSTER, {"green": "eds"}, removed=["blue"])
        assert proxy.serves() == {"L": {"blue"}}
        assert proxy.world.plan().held == {"blue"}
        await server.send(ENDPOINT, {"green": ""})
        assert proxy.serves() == {"L": {"green"}}
        assert set(proxy.world.in_use.clusters) == {"green"}

    play(delta, scenario)


@both
def test_a_listener_that_turns_to_other_routes_before_they_are_there(delta: bool) -> None:
    async def scenario(server: Hasty, proxy: Proxy) -> None:
        await serve_blue(server, proxy)
        await server.send(LISTENER, {"L": "S"})
        assert proxy.serves() == {"L": {"blue"}}
        await server.send(ROUTE, {"S": "green"})
        assert proxy.serves() == {"L": {"blue"}}
        await server.send(CLUSTER, {"green": "static"}, removed=["blue"])
        assert proxy.serves() == {"L": {"green"}}

    play(delta, scenario)


@both
def test_clusters_removed_while_everything_names_them(delta: bool) -> None:
    async def scenario(server: Hasty, proxy: Proxy) -> None:
        await serve_blue(server, proxy)
        await server.send(CLUSTER, {}, removed=["blue"])
        assert proxy.serves() == {"L": {"blue"}}
        await server.send(LISTENER, {}, removed=["L"])
        assert proxy.serves() == {}
        assert set(proxy.world.plan().clusters) == set()

    play(delta, scenario)
