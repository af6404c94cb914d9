"""What is left in memory of clusters and connections that are gone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dataplane.base.address import SocketAddress
from dataplane.observe.stream_info import StreamInfo
from dataplane.snapshot.cluster import Cluster, DiscoveryType, HttpProtocolOptions, OriginalDst
from dataplane.upstream.cluster import UpstreamCluster
from dataplane.upstream.connector import Dialled, _SocketDial
from dataplane.upstream.h1_connection import H1Connection
from dataplane.upstream.h2_connection import H2Connection
from dataplane.upstream.host import UpstreamHost
from dataplane.upstream.original_dst import OriginalDestinations
from dataplane.upstream.pool_auto import AutoPool, HandedOver, Outcome, _HandedDial, _Probe
from dataplane.upstream.pool_h1 import H1Pool
from dataplane.upstream.pool_h2 import H2Pool
from dataplane.upstream.tls_dial import _SecureDial
from tests.support.cluster_world import UpstreamServer, World, static
from tests.support.collector import living, no_collector
from tests.support.fake_resolver import settle
from tests.support.upstream_h2_wire import H2Wire
from tests.support.upstream_wire import Recorder, Wire
from tests.support.waiting import wait_until_async

OF_AUTO_POOLS = (AutoPool, HandedOver, Outcome, _HandedDial, _Probe)
OF_CLUSTERS = (UpstreamCluster, UpstreamHost, H1Pool, H1Connection, _SocketDial)


def test_a_cluster_that_is_gone_leaves_nothing_to_the_collector() -> None:
    async def scenario() -> None:
        async with UpstreamServer() as server:
            world = World()
            world.apply(static("c", server.port))
            world.cluster().open_stream(Recorder(), None, 0)
            await wait_until_async(lambda: server.requests and not world.stat("cluster.c.upstream_rq_active"), "an answer")
            world.apply()
            await wait_until_async(lambda: not server.open, "no connection")
            await settle()
            assert living(*OF_CLUSTERS) == []

    with no_collector():
        asyncio.run(scenario())


def test_a_cluster_nobody_asked_is_gone_at_once() -> None:
    async def scenario() -> None:
        world = World()
        world.apply(static("c", 1))
        world.apply()
        await settle()
        assert living(*OF_CLUSTERS) == []

    with no_collector():
        asyncio.run(scenario())


class Layers:
    """A transport socket that says when the handshake is done: a layer that passes bytes on, and wants HTTP/1.1."""

    auto_host_sni = False

    def dial(self, above: Dialled, *_: object) -> Any:
        return _Through(above)


class _Through(asyncio.Protocol):
    alpn = "http/1.1"

    def __init__(self, above: Any) -> None:
        self.above = above

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.above.connection_made(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def data_received(self, data: bytes) -> None:
        self.above.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.above.connection_lost(exc)
        self.above = None


def test_a_secure_dial_that_is_over_leaves_nothing_to_the_collector() -> None:
    async def scenario() -> None:
        async with UpstreamServer() as server:
            world = World()
            world.apply(static("c", server.port, transport_socket=Layers()))
            world.cluster().open_stream(Recorder(), None, 0)
            await wait_until_async(lambda: server.requests and not world.stat("cluster.c.upstream_rq_active"), "an answer")
            assert living(_SecureDial, _SocketDial) == []
            world.apply()
            await wait_until_async(lambda: not server.open, "no connection")
            await settle()
            assert living(*OF_CLUSTERS) == []

    with no_collector():
        asyncio.run(scenario())


@pytest.mark.parametrize("asks", ["one", "cancelled", "nobody"])
def test_a_pool_that_learns_the_protocol_leaves_nothing_to_the_collector(asks: str) -> None:
    async def scenario() -> None:
        async with UpstreamServer() as server:
            world = World()
            world.apply(static("c", server.port, transport_socket=Layers(), http=HttpProtocolOptions(protocol="AUTO")))
            pending = None if asks == "nobody" else world.cluster().open_stream(Recorder(), None, 0)
            if asks == "one":
                await wait_until_async(lambda: server.requests and not world.stat("cluster.c.upstream_rq_active"), "an answer")
                assert living(AutoPool)
            if asks == "cancelled" and pending is not None:
                pending.cancel()
            del pending
            world.apply()
            await wait_until_async(lambda: not server.open, "no connection")
            await settle()
            assert living(*OF_AUTO_POOLS, *OF_CLUSTERS) == []

    with no_collector():
        asyncio.run(scenario())


def test_a_cluster_of_original_destinations_leaves_nothing_to_the_collector() -> None:
    async def scenario() -> None:
        async with UpstreamServer() as server:
            world = World()
            world.apply(Cluster("c", DiscoveryType.ORIGINAL_DST, original_dst=OriginalDst()))
            world.cluster().open_stream(Recorder(), Destined(SocketAddress("127.0.0.1", server.port)), 0)  # type: ignore[arg-type]  # enough
            await wait_until_async(lambda: server.requests and not world.stat("cluster.c.upstream_rq_active"), "an answer")
            assert living(OriginalDestinations)
            world.apply()
            await wait_until_async(lambda: not server.open, "no connection")
            await settle()
            assert living(OriginalDestinations, *OF_CLUSTERS) == []

    with no_collector():
        asyncio.run(scenario())


class Destined:
    """An api.upstream.DestinationContext."""

    def __init__(self, destination: SocketAddress) -> None:
        self.info = StreamInfo()
        self.info.destination_restored = True
        self.info.downstream_local_address = destination

    def excluded(self, host: object) -> bool:
        return False

    def priority_loads(self, availability: object) -> None:
        """The cluster's own will do."""

    def selection_attempts(self) -> int:
        return 1


def test_a_dial_that_is_broken_off_leaves_nothing_to_the_collector() -> None:
    async def scenario() -> None:
        world = World()
        world.apply(static("c", 1))
        request = Recorder()
        pending = world.cluster().open_stream(request, None, 0)
        assert pending is not None
        pending.cancel()
        world.apply()
        del pending, request
        await settle()
        assert living(_SocketDial, *OF_CLUSTERS) == []

    with no_collector():
        asyncio.run(scenario())


@pytest.mark.parametrize("ends", ["finish", "break_off"])
@pytest.mark.parametrize("make", [Wire, H2Wire])
def test_a_connection_that_is_gone_leaves_nothing_to_the_collector(make: type[Wire], ends: str) -> None:
    wire = make()
    with no_collector():
        wire.ask(Recorder())
        peer = wire.peers.pop()
        getattr(peer.accept(), ends)()
        if isinstance(wire, H2Wire):
            wire.run()
        del peer.protocol, peer  # as the loop's transports forget theirs
        assert living(H1Connection, H2Connection) == []
    assert living(H1Pool, H2Pool)


@pytest.mark.parametrize("make", [Wire, H2Wire])
def test_a_connection_that_comes_after_its_dial_was_cancelled_is_not_kept(make: type[Wire]) -> None:
    """The loop may have heard of the cancelling too late, and then its transport never forgets the protocol."""
    wire = make()
    with no_collector():
        request = wire.ask(Recorder())
        request.pending.cancel()
        (wire.pool if make is Wire else wire.h2_pool).drain()  # type: ignore[attr-defined]  # of an H2Wire
        peer = wire.peers.pop()
        assert peer.accept().closed
        del peer, request
        assert living(H1Connection, H2Connection) == []
