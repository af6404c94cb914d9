"""Our discovery services over real gRPC, spoken to message by message: every method, refusals, slow clients, clients that go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.service.discovery.v3 import discovery_pb2

from controlplane.base.resource import DEFAULT_GROUP, Resource, ResourceSet, Revision
from controlplane.base.type_url import CLUSTER, LISTENER
from controlplane.delivery import stream as stream_module
from controlplane.delivery.hub import Hub
from controlplane.delivery.order import Patience
from controlplane.delivery.stream import XdsStream
from controlplane.xds.ads_service import SERVER_OPTIONS, add_xds_services
from controlplane.xds.services import ADS, ADS_DELTA, ADS_STREAM, TYPE_SERVICES, TypeService
from tests.support.waiting import PATIENCE, wait_until_async

pytestmark = pytest.mark.e2e

NODE = {"id": "n"}
SOTW, DELTA = f"/{ADS}/{ADS_STREAM}", f"/{ADS}/{ADS_DELTA}"

# Larger than the windows of HTTP/2 and the buffers of the kernel together, so that an unread response stops its writer.
LARGE = 8 << 20


class Peers:
    """A hub, its server, and channels to it."""

    def __init__(self, hub: Hub, channel: grpc.aio.Channel, port: int) -> None:
        self.hub = hub
        self.channel = channel
        self.port = port

    def publish(self, revision: int, *resources: Resource) -> None:
        by_type: dict[str, dict[str, Resource]] = {}
        for resource in resources:
            by_type.setdefault(resource.type_url, {})[resource.name] = resource
        self.hub.publish(DEFAULT_GROUP, ResourceSet(Revision(revision), by_type))

    def stream(self, method: str, channel: grpc.aio.Channel | None = None) -> Any:
        kind = "Delta" if "/Delta" in method else ""
        request = getattr(discovery_pb2, f"{kind}DiscoveryRequest")
        response = getattr(discovery_pb2, f"{kind}DiscoveryResponse")
        call = (channel or self.channel).stream_stream(method, request.SerializeToString, response.FromString)
        return call()

    def fetch(self, method: str, request: Any) -> Any:
        call = self.channel.unary_unary(
            method, discovery_pb2.DiscoveryRequest.SerializeToString, discovery_pb2.DiscoveryResponse.FromString
        )
        return call(request, timeout=PATIENCE)


@asynccontextmanager
async def serving(patience: Patience) -> AsyncIterator[Peers]:
    hub = Hub(lambda _: DEFAULT_GROUP, lambda: 0.0, patience)
    server = grpc.aio.server(options=SERVER_OPTIONS)
    add_xds_services(server, hub)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.max_receive_message_length", -1)]) as channel:
        yield Peers(hub, channel, port)
    await server.stop(None)


# Long enough that no test of these is decided by a machine that is slow to answer.
UNHURRIED = Patience(make=60.0)


def run(scenario: Callable[[Peers], Awaitable[None]], patience: Patience = UNHURRIED) -> None:
    async def main() -> None:
        async with serving(patience) as peers:
            await asyncio.wait_for(scenario(peers), PATIENCE)

    asyncio.run(main())


def cluster(name: str, content: str = "") -> Resource:
    body = cluster_pb2.Cluster(name=name, alt_stat_name=content).SerializeToString(deterministic=True)
    return Resource.of(CLUSTER, name, body)


async def read(stream: Any) -> Any:
    message = await asyncio.wait_for(stream.read(), PATIENCE)
    assert message is not grpc.aio.EOF, f"ended: {await stream.code()} {await stream.details()}"
    return message


async def ending(stream: Any) -> tuple[grpc.StatusCode, str]:
    return await asyncio.wait_for(stream.code(), PATIENCE), await stream.details()


@pytest.mark.parametrize("service", TYPE_SERVICES, ids=lambda service: service.name.rpartition(".")[2])
def test_every_method_of_every_service_delivers_its_type(service: TypeService) -> None:
    async def scenario(peers: Peers) -> None:
        peers.publish(1, Resource.of(service.type_url, "x", b"body"))
        delta = peers.stream(f"/{service.name}/{service.delta}")
        await delta.write(discovery_pb2.DeltaDiscoveryRequest(node=NODE, resource_names_subscribe=["x"]))
        response = await read(delta)
        assert (response.type_url, response.resources[0].resource.value) == (service.type_url, b"body")
        if service.stream:
            sotw = peers.stream(f"/{service.name}/{service.stream}")
            await sotw.write(discovery_pb2.DiscoveryRequest(node=NODE, resource_names=["x"]))
            response = await read(sotw)
            assert (response.type_url, response.resources[0].value) == (service.type_url, b"body")
        if service.fetch:
            request = discovery_pb2.DiscoveryRequest(node=NODE, resource_names=["x"])
            response = await peers.fetch(f"/{service.name}/{service.fetch}", request)
            assert (response.type_url, response.resources[0].value) == (service.type_url, b"body")

    run(scenario)


@pytest.mark.parametrize(
    ("method", "request_", "words"),
    [
        (SOTW, discovery_pb2.DiscoveryRequest(type_url=CLUSTER), "the first request of a stream must carry node"),
        (DELTA, discovery_pb2.DeltaDiscoveryRequest(type_url=CLUSTER), "the first request of a stream must carry node"),
        (SOTW, discovery_pb2.DiscoveryRequest(type_url=CLUSTER, node={"cluster": "c"}), "node.id must not be empty"),
        (SOTW, discovery_pb2.DiscoveryRequest(node=NODE), "type_url must not be empty on an aggregated stream"),
        (
            "/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters",
            discovery_pb2.DiscoveryRequest(node=NODE, type_url=LISTENER),
            f"type_url is {LISTENER}, but this service serves {CLUSTER}",
        ),
    ],
)
def test_a_stream_that_begins_wrong_is_ended_with_words(method: str, request_: Any, words: str) -> None:
    async def scenario(peers: Peers) -> None:
        stream = peers.stream(method)
        await stream.write(request_)
        assert await ending(stream) == (grpc.StatusCode.INVALID_ARGUMENT, words)
        assert all(status.disconnected_at is not None for status in peers.hub.proxies())

    run(scenario)


def test_a_stream_that_goes_wrong_later_is_ended_with_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "MAX_NAMES", 2)

    async def scenario(peers: Peers) -> None:
        peers.publish(1)
        wrong, greedy = peers.stream(SOTW), peers.stream(DELTA)
        await wrong.write(discovery_pb2.DiscoveryRequest(node=NODE, type_url=CLUSTER))
        await read(wrong)
        await wrong.write(discovery_pb2.DiscoveryRequest())
        assert (await ending(wrong))[0] is grpc.StatusCode.INVALID_ARGUMENT
        await greedy.write(discovery_pb2.DeltaDiscoveryRequest(node=NODE, type_url=CLUSTER))
        await read(greedy)
        await greedy.write(discovery_pb2.DeltaDiscoveryRequest(type_url=CLUSTER, resource_names_subscribe=["a", "b", "c"]))
        assert await ending(greedy) == (grpc.StatusCode.RESOURCE_EXHAUSTED, f"more than 2 names of {CLUSTER}")

    run(scenario)


def test_fetch_refuses_like_a_stream_and_waits_for_nothing() -> None:
    method = "/envoy.service.cluster.v3.ClusterDiscoveryService/FetchClusters"

    async def code_of(call: Any) -> grpc.StatusCode:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        return caught.value.code()

    async def scenario(peers: Peers) -> None:
        nameless = peers.fetch(method, discovery_pb2.DiscoveryRequest())
        assert await code_of(nameless) is grpc.StatusCode.INVALID_ARGUMENT
        early = peers.fetch(method, discovery_pb2.DiscoveryRequest(node=NODE))
        assert await code_of(early) is grpc.StatusCode.UNAVAILABLE

    run(scenario)


def test_a_client_that_does_not_read_holds_up_nobody_and_skips_what_it_missed() -> None:
    async def scenario(peers: Peers) -> None:
        options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{peers.port}", options=options) as own_connection:
            peers.publish(1, cluster("c", "1" * LARGE))
            slow, quick = peers.stream(DELTA, own_connection), peers.stream(DELTA)
            for stream in (slow, quick):
                await stream.write(discovery_pb2.DeltaDiscoveryRequest(node=NODE, type_url=CLUSTER))
            for number in range(1, 6):
                peers.publish(number, cluster("c", str(number) * LARGE))
                response = await read(quick)
                assert response.resources[0].resource.value.endswith(str(number).encode())
                await quick.write(discovery_pb2.DeltaDiscoveryRequest(type_url=CLUSTER, response_nonce=response.nonce))
            seen = []
            while not seen or seen[-1] != b"5":
                response = await read(slow)
                seen.append(response.resources[0].resource.value[-1:])
                await slow.write(discovery_pb2.DeltaDiscoveryRequest(type_url=CLUSTER, response_nonce=response.nonce))
            assert seen == [b"1", b"5"]

    run(scenario)


@pytest.mark.parametrize("how", ["cancel", "half-close"])
@pytest.mark.parametrize("large", [False, True], ids=["idle", "written to"])
def test_a_client_that_goes_leaves_nothing_behind(how: str, large: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(peers: Peers) -> None:
        tasks = len(asyncio.all_tasks())
        peers.publish(1, cluster("c", "x" * (LARGE if large else 1)))
        stream = peers.stream(DELTA)
        await stream.write(discovery_pb2.DeltaDiscoveryRequest(node=NODE, type_url=CLUSTER))
        await wait_until_async(lambda: peers.hub.proxies() and peers.hub.proxies()[0].types[0].sent_version, "sent")
        if how == "cancel":
            stream.cancel()
        else:
            await stream.done_writing()
            await read(stream)
            assert (await ending(stream))[0] is grpc.StatusCode.OK
        await wait_until_async(lambda: peers.hub.proxies()[0].disconnected_at is not None, "disconnected")
        del stream
        await wait_until_async(lambda: len(asyncio.all_tasks()) <= tasks, "no task is left")

    with caplog.at_level(logging.WARNING):
        run(scenario)
    assert [record.getMessage() for record in caplog.records] == []


def test_a_stream_that_never_says_anything_ends_in_peace() -> None:
    async def scenario(peers: Peers) -> None:
        stream = peers.stream(SOTW)
        await stream.done_writing()
        assert (await ending(stream))[0] is grpc.StatusCode.OK
        assert peers.hub.proxies() == ()

    run(scenario)


def test_what_waits_for_a_deadline_is_sent_without_any_other_reason() -> None:
    async def scenario(peers: Peers) -> None:
        peers.publish(1, cluster("c", "1"))
        stream = peers.stream(DELTA)
        await stream.write(discovery_pb2.DeltaDiscoveryRequest(node=NODE, type_url=CLUSTER))
        await read(stream)
        peers.publish(2, cluster("c", "2"))
        response = await read(stream)
        assert response.resources[0].resource.value.endswith(b"2")

    run(scenario, Patience(make=0.1))


def test_a_fault_of_ours_ends_the_stream_instead_of_leaving_it_silent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("our fault")

    monkeypatch.setattr(XdsStream, "next_response", broken)

    async def scenario(peers: Peers) -> None:
        stream = peers.stream(DELTA)
        await stream.write(discovery_pb2.DeltaDiscoveryRequest(node=NODE, type_url=CLUSTER))
        assert (await ending(stream))[0] is grpc.StatusCode.UNKNOWN
        assert peers.hub.proxies()[0].disconnected_at is not None

    run(scenario)
    assert "our fault" in caplog.text
