"""The xDS client against a management server on a real gRPC connection: order, reconnection, streams of their own, status."""

from __future__ import annotations

import asyncio

import pytest

from dataplane.base.address import SocketAddress
from dataplane.base.errors import ConfigError
from dataplane.xds.messages import Decoded
from dataplane.xds.source import ApiSource, EnvoyGrpc, GrpcService
from dataplane.xds.status import ClientStatus
from dataplane.xds.subscription import WILDCARD
from dataplane.xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, RUNTIME, SECRET
from tests.support.management_server import ManagementServer
from tests.support.waiting import wait_until_async
from tests.support.xds_conversation import api, delta_of, is_ack, run
from tests.support.xds_decoder import body
from tests.support.xds_recorder import Recorder

pytestmark = pytest.mark.e2e


def test_clusters_are_asked_for_first_whatever_was_subscribed_first() -> None:
    async def talk(server: ManagementServer, recorder: Recorder) -> None:
        recorder.subscribe(ROUTE, ("r",))
        recorder.subscribe(LISTENER, WILDCARD)
        recorder.subscribe(ENDPOINT, ("a",))
        recorder.subscribe(CLUSTER, WILDCARD)
        stream = await server.accept()
        assert [(await stream.receive()).type_url for _ in range(4)] == [CLUSTER, ENDPOINT, LISTENER, ROUTE]

    run(talk)


def test_routes_before_their_clusters_are_taken_in_the_order_in_which_they_come() -> None:
    async def talk(server: ManagementServer, recorder: Recorder) -> None:
        recorder.subscribe(CLUSTER, WILDCARD)
        recorder.subscribe(ROUTE, ("r",))
        stream = await server.accept()
        await stream.receive()
        await stream.receive()
        await stream.send_delta(ROUTE, "n1", delta_of("r"))
        await stream.send_delta(CLUSTER, "n2", delta_of("a"))
        assert is_ack(await stream.receive(), ROUTE, "n1")
        assert is_ack(await stream.receive(), CLUSTER, "n2")
        assert [event[1] for event in recorder.events if event[0] == "update"] == [ROUTE, CLUSTER]

    run(talk)


def test_a_first_answer_that_does_not_come_in_time_settles_the_name() -> None:
    async def talk(server: ManagementServer, recorder: Recorder) -> None:
        recorder.subscribe(ROUTE, ("r",), timeout=0.05)
        await wait_until_async(lambda: (ROUTE, "r") in recorder.settled, "the initial fetch timeout")
        assert recorder.counter("test.r.init_fetch_timeout") == 1
        assert recorder.resource(ROUTE, "r").client_status is ClientStatus.TIMEOUT
        stream = await server.accept()
        await stream.receive()
        await stream.send_delta(ROUTE, "n1", delta_of("r"))
        await recorder.has(ROUTE, {"r": "x"})

    run(talk)


def test_a_server_that_restarts_finds_its_client_again() -> None:
    async def scenario() -> None:
        server = await ManagementServer().start()
        port = server.port
        recorder = Recorder(api(port))
        recorder.subscribe(CLUSTER, WILDCARD)
        async with recorder:
            stream = await server.accept()
            await stream.receive()
            await stream.send_delta(CLUSTER, "n1", delta_of("a"))
            await stream.receive()
            await server.stop()
            await wait_until_async(lambda: recorder.counter("test.*.update_failure") >= 2, "a refused connection")
            assert recorder.stats.gauge("control_plane.connected_state").value == 0
            assert recorder.client.streams()[0].last_failure.startswith("UNAVAILABLE")
            async with ManagementServer(f"127.0.0.1:{port}") as server:
                request = await (await server.accept()).receive()
                assert dict(request.initial_resource_versions) == {"a": "1"}
                assert recorder.values[CLUSTER] == {"a": "x"}
                (status,) = recorder.client.streams()
                assert (status.connected, status.last_failure) == (True, "")

    asyncio.run(scenario())


def test_the_next_endpoint_is_tried_when_one_is_gone() -> None:
    async def scenario() -> None:
        gone = await ManagementServer().start()
        await gone.stop()
        async with ManagementServer() as server:
            recorder = Recorder(api(gone.port, server.port))
            recorder.subscribe(CLUSTER, WILDCARD)
            async with recorder:
                stream = await server.accept()
                assert (await stream.receive()).type_url == CLUSTER
                assert recorder.client.streams()[0].peer == f"ipv4:127.0.0.1:{server.port}"

    asyncio.run(scenario())


def test_a_cluster_without_endpoints_is_a_failure_that_is_told() -> None:
    async def scenario() -> None:
        recorder = Recorder(api())
        recorder.subscribe(CLUSTER, WILDCARD)
        async with recorder:
            await wait_until_async(lambda: recorder.client.streams()[0].last_failure, "a failure")
            assert "cluster 'xds' has no endpoints" in recorder.client.streams()[0].last_failure

    asyncio.run(scenario())


def test_bytes_that_are_no_message_close_the_stream() -> None:
    async def talk(server: ManagementServer, recorder: Recorder) -> None:
        recorder.subscribe(CLUSTER, WILDCARD)
        stream = await server.accept()
        await stream.receive()
        await stream.send_bytes(b"\xff\xff")
        assert (await (await server.accept()).receive()).type_url == CLUSTER
        assert recorder.counter("test.*.update_failure") == 1

    run(talk)


@pytest.mark.parametrize(("delta", "verb"), [(True, "Delta"), (False, "Stream")])
@pytest.mark.parametrize(
    ("type_url", "service"),
    [
        (CLUSTER, "cluster.v3.ClusterDiscoveryService/{}Clusters"),
        (ENDPOINT, "endpoint.v3.EndpointDiscoveryService/{}Endpoints"),
        (LISTENER, "listener.v3.ListenerDiscoveryService/{}Listeners"),
        (ROUTE, "route.v3.RouteDiscoveryService/{}Routes"),
        (SECRET, "secret.v3.SecretDiscoveryService/{}Secrets"),
        (RUNTIME, "runtime.v3.RuntimeDiscoveryService/{}Runtime"),
    ],
)
def test_a_type_may_have_a_stream_of_its_own(type_url: str, service: str, delta: bool, verb: str) -> None:
    async def scenario() -> None:
        async with ManagementServer() as server, Recorder() as recorder:
            recorder.subscribe(type_url, ("a",), api(server.port, delta=delta))
            stream = await server.accept()
            assert stream.method == "/envoy.service." + service.format(verb)
            assert (await stream.receive()).type_url == type_url
            await (
                stream.send_delta(type_url, "n", delta_of("a")) if delta else stream.send_sotw(type_url, "n", [body("a", "x")])
            )
            assert is_ack(await stream.receive(), type_url, "n")
            assert recorder.values == {type_url: {"a": "x"}}
            assert recorder.stats.gauge("test.a.control_plane.connected_state").value == 1

    asyncio.run(scenario())


def test_sources_with_different_keys_have_streams_of_their_own() -> None:
    async def scenario() -> None:
        async with ManagementServer() as server, Recorder() as recorder:
            for name in ("default", "ROOTCA"):
                service = GrpcService(EnvoyGrpc("sds", (SocketAddress("127.0.0.1", server.port),)))
                recorder.subscribe(SECRET, (name,), ApiSource(service, delta=False, stream_key=name))
            streams = [await server.accept(), await server.accept()]
            assert {tuple((await stream.receive()).resource_names) for stream in streams} == {("default",), ("ROOTCA",)}

    asyncio.run(scenario())


def test_sources_that_cannot_be_used_are_refused() -> None:
    async def scenario() -> None:
        recorder = Recorder()
        with pytest.raises(ConfigError, match="the bootstrap has no ads_config"):
            recorder.subscribe(CLUSTER, WILDCARD)
        with pytest.raises(ConfigError, match="has no service of its own"):
            recorder.subscribe("type.googleapis.com/test.Thing", WILDCARD, api(1))

    asyncio.run(scenario())


def test_a_listener_that_breaks_does_not_cost_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    async def talk(server: ManagementServer, recorder: Recorder) -> None:
        def broken(*_: object) -> None:
            raise ZeroDivisionError

        recorder.on_update = broken  # type: ignore[method-assign]  # the assembly's part
        recorder.subscribe(CLUSTER, WILDCARD)
        stream = await server.accept()
        await stream.receive()
        for nonce in ("n1", "n2"):
            await stream.send_delta(CLUSTER, nonce, delta_of(nonce))
            assert is_ack(await stream.receive(), CLUSTER, nonce)

    run(talk)
    assert "update of cluster n1 was not taken" in caplog.text


def test_a_large_response_leaves_the_loop_to_others() -> None:
    async def talk(server: ManagementServer, recorder: Recorder) -> None:
        turn = 0
        turns_of_decoding: set[int] = set()

        async def take_turns() -> None:
            nonlocal turn
            while True:
                turn += 1
                await asyncio.sleep(0)

        def decode(type_url: str, body: bytes) -> Decoded:
            turns_of_decoding.add(turn)
            return recorder.decoder(type_url, body)

        recorder.client.decoder = decode
        recorder.subscribe(CLUSTER, WILDCARD)
        stream = await server.accept()
        await stream.receive()
        other = asyncio.create_task(take_turns())
        names = [f"cluster-{number}" for number in range(20_000)]
        await stream.send_delta(CLUSTER, "n1", delta_of(*names))
        await wait_until_async(lambda: len(recorder.values.get(CLUSTER, {})) == len(names), "all resources")
        other.cancel()
        assert len(turns_of_decoding) > 5

    run(talk)
