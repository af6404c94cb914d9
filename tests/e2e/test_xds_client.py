"""The xDS client against a management server on a real gRPC connection: both protocols, reconnection, statistics, status."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from envoy.config.core.v3 import base_pb2

from dataplane.base.address import SocketAddress
from dataplane.base.errors import ConfigError
from dataplane.xds.messages import Decoded
from dataplane.xds.source import ADS, ApiSource, EnvoyGrpc, GrpcService
from dataplane.xds.status import ClientStatus
from dataplane.xds.subscription import WILDCARD
from dataplane.xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, RUNTIME, SECRET
from tests.support.management_server import ManagementServer, Stream
from tests.support.waiting import wait_until_async
from tests.support.xds_decoder import body
from tests.support.xds_recorder import Recorder

pytestmark = pytest.mark.e2e

NODE = base_pb2.Node(id="proxy-1", cluster="edge")


def api(*ports: int, delta: bool = True, node_once: bool = False) -> ApiSource:
    endpoints = tuple(SocketAddress("127.0.0.1", port) for port in ports)
    return ApiSource(GrpcService(EnvoyGrpc("xds", endpoints)), delta, node_once)


async def converse(delta: bool, talk: Callable[[ManagementServer, Recorder], Awaitable[None]], node_once: bool = False) -> None:
    async with ManagementServer() as server:
        recorder = Recorder(api(server.port, delta=delta, node_once=node_once), NODE.SerializeToString())
        async with recorder:
            await talk(server, recorder)


def run(talk: Callable[[ManagementServer, Recorder], Awaitable[None]], *, delta: bool = True, node_once: bool = False) -> None:
    asyncio.run(converse(delta, talk, node_once))


def delta_of(*names: str, text: str = "x", version: str = "1") -> dict[str, tuple[str, bytes]]:
    return {name: (version, body(name, text)) for name in names}


def is_ack(request: Any, type_url: str, nonce: str) -> bool:
    return bool(request.type_url == type_url and request.response_nonce == nonce and not request.HasField("error_detail"))


class TestDelta:
    def test_a_wildcard_is_answered_and_acknowledged(self) -> None:
        async def talk(server: ManagementServer, recorder: Recorder) -> None:
            recorder.subscribe(CLUSTER, WILDCARD)
            stream = await server.accept()
            assert stream.method.endswith("/DeltaAggregatedResources")
            request = await stream.receive()
            assert (request.type_url, list(request.resource_names_subscribe)) == (CLUSTER, [])
            assert request.node == NODE
            await stream.send_delta(CLUSTER, "n1", delta_of("a", "b"), control_plane="cp-1")
            ack = await stream.receive()
            assert is_ack(ack, CLUSTER, "n1")
            assert ack.node == NODE
            assert recorder.events == [("update", CLUSTER, {"a": "x", "b": "x"}, (), "n1"), ("settled", CLUSTER, None)]
            assert recorder.stats.text_readout("control_plane.identifier").value == "cp-1"
            assert recorder.stats.gauge("control_plane.connected_state").value == 1

        run(talk)

    def test_the_node_is_sent_once_where_the_bootstrap_says_so(self) -> None:
        async def talk(server: ManagementServer, recorder: Recorder) -> None:
            recorder.subscribe(CLUSTER, WILDCARD)
            stream = await server.accept()
            assert (await stream.receive()).node == NODE
            await stream.send_delta(CLUSTER, "n1", {})
            assert not (await stream.receive()).HasField("node")
            stream.close()
            assert (await (await server.accept()).receive()).node == NODE

        run(talk, node_once=True)

    def test_a_bad_resource_is_refused_by_name_and_the_good_are_kept(self) -> None:
        async def talk(server: ManagementServer, recorder: Recorder) -> None:
            recorder.subscribe(CLUSTER, WILDCARD)
            stream = await server.accept()
            await stream.receive()
            await stream.send_delta(CLUSTER, "n1", delta_of("a", "b"))
            await stream.receive()
            await stream.send_delta(CLUSTER, "n2", delta_of("a", text="bad", version="2") | delta_of("b", text="y", version="2"))
            nack = await stream.receive()
            assert nack.response_nonce == "n2"
            assert nack.error_detail.message == "Error adding/updating cluster(s) Thing{a}.text: is bad"
            assert recorder.values[CLUSTER] == {"a": "x", "b": "y"}
            assert recorder.resource(CLUSTER, "a").client_status is ClientStatus.NACKED
            assert recorder.resource(CLUSTER, "b").version_info == "2"
            assert recorder.status(CLUSTER).version_info == "n1"
            assert recorder.counter("test.*.update_rejected") == 1

        run(talk)

    def test_names_are_subscribed_and_unsubscribed_one_by_one(self) -> None:
        async def talk(server: ManagementServer, recorder: Recorder) -> None:
            recorder.subscribe(ENDPOINT, ("a", "b"))
            stream = await server.accept()
            assert list((await stream.receive()).resource_names_subscribe) == ["a", "b"]
            recorder.client.set_names(ENDPOINT, ADS, ("b", "c"))
            request = await stream.receive()
            assert list(request.resource_names_subscribe) == ["c"]
            assert list(request.resource_names_unsubscribe) == ["a"]
            assert not request.response_nonce

        run(talk)

    def test_after_a_lost_stream_only_what_changed_is_asked_for(self) -> None:
        async def talk(server: ManagementServer, recorder: Recorder) -> None:
            recorder.subscribe(CLUSTER, WILDCARD)
            recorder.subscribe(ENDPOINT, ("a",))
            stream = await server.accept()
            await stream.receive()
            await stream.receive()
            await stream.send_delta(CLUSTER, "n1", delta_of("a", "b"))
            await stream.receive()
            stream.close(grpc.StatusCode.UNAVAILABLE, "going away")
            stream = await server.accept()
            first, second = await stream.receive(), await stream.receive()
            assert dict(first.initial_resource_versions) == {"a": "1", "b": "1"}
            assert not first.response_nonce
            assert (second.type_url, list(second.resource_names_subscribe)) == (ENDPOINT, ["a"])
            assert dict(second.initial_resource_versions) == {}
            assert recorder.values[CLUSTER] == {"a": "x", "b": "x"}
            assert recorder.counter("test.*.update_failure") == 1
            await stream.send_delta(CLUSTER, "n2", {}, removed=("b",))
            await recorder.has(CLUSTER, {"a": "x"})

        run(talk)

    def test_the_values_of_known_bytes_are_not_decoded_again(self) -> None:
        async def talk(server: ManagementServer, recorder: Recorder) -> None:
            recorder.subscribe(CLUSTER, WILDCARD)
            stream = await server.accept()
            await stream.receive()
            for nonce in ("n1", "n2"):
                await stream.send_delta(CLUSTER, nonce, delta_of("a", version=nonce))
                await stream.receive()
            assert recorder.decoder.calls == ["a"]
            assert recorder.resource(CLUSTER, "a").version_info == "n2"

        run(talk)

    def test_names_learnt_from_a_response_are_asked_for_after_its_acknowledgement(self) -> None:
        async def talk(server: ManagementServer, recorder: Recorder) -> None:
            recorder.subscribe(CLUSTER, WILDCARD)
            recorder.subscribe(ENDPOINT, ())
            remember = recorder.on_update

            def on_update(type_url: str, *rest: Any) -> None:
                remember(type_url, *rest)
                if type_url == CLUSTER:
                    recorder.client.set_names(ENDPOINT, ADS, recorder.values[CLUSTER].keys())

            recorder.on_update = on_update  # type: ignore[method-assign]  # the assembly's part
            stream = await server.accept()
            await stream.receive()
            await stream.send_delta(CLUSTER, "n1", delta_of("a"))
            assert is_ack(await stream.receive(), CLUSTER, "n1")
            assert list((await stream.receive()).resource_names_subscribe) == ["a"]

        run(talk)


class TestSotw:
    def test_a_wildcard_is_answered_and_acknowledged(self) -> None:
        async def talk(server: ManagementServer, recorder: Recorder) -> None:
            recorder.subscribe(CLUSTER, WILDCARD)
            stream = await server.accept()
            assert stream.method.endswith("/StreamAggregatedResources")
            request = await stream.receive()
            assert (list(request.resource_names), request.version_info, request.node) == ([], "", NODE)
            await stream.send_sotw(CLUSTER, "v1", [body("a", "x")], nonce="n1")
            ack = await stream.receive()
            assert is_ack(ack, CLUSTER, "n1")
            assert ack.version_info == "v1"
            assert recorder.values[CLUSTER] == {"a": "x"}

        run(talk, delta=False)

    def test_a_refused_response_keeps_the_version_before(self) -> None:
        async def talk(server: ManagementServer, recorder: Recorder) -> None:
            recorder.subscribe(CLUSTER, WILDCARD)
            stream = await server.accept()
            await stream.receive()
            await stream.send_sotw(CLUSTER, "v1", [body("a", "x"), body("b", "x")])
            await stream.receive()
            await stream.send_sotw(CLUSTER, "v2", [body("a", "bad"), body("b", "y")])
            nack = await stream.receive()
            assert (nack.version_info, nack.response_nonce) == ("v1", "v2")
            assert nack.error_detail.message == "Error adding/updating cluster(s) Thing{a}.text: is bad"
            assert recorder.values[CLUSTER] == {"a": "x", "b": "y"}
            await stream.send_sotw(CLUSTER, "v3", [body("a", "z"), body("b", "y")])
            assert (await stream.receive()).version_info == "v3"
            assert recorder.values[CLUSTER] == {"a": "z", "b": "y"}

        run(talk, delta=False)

    def test_left_out_is_removed_for_clusters_but_not_for_endpoints(self) -> None:
        async def talk(server: ManagementServer, recorder: Recorder) -> None:
            recorder.subscribe(CLUSTER, WILDCARD)
            recorder.subscribe(ENDPOINT, ("a", "b"))
            stream = await server.accept()
            await stream.receive()
            await stream.receive()
            for type_url in (CLUSTER, ENDPOINT):
                await stream.send_sotw(type_url, "v1", [body("a", "x"), body("b", "x")])
                await stream.receive()
                await stream.send_sotw(type_url, "v2", [body("b", "x")])
                await stream.receive()
            assert recorder.values == {CLUSTER: {"b": "x"}, ENDPOINT: {"a": "x", "b": "x"}}

        run(talk, delta=False)

    def test_a_new_stream_repeats_the_version_without_a_nonce(self) -> None:
        async def talk(server: ManagementServer, recorder: Recorder) -> None:
            recorder.subscribe(CLUSTER, WILDCARD)
            stream = await server.accept()
            await stream.receive()
            await stream.send_sotw(CLUSTER, "v1", [body("a", "x")])
            await stream.receive()
            stream.close()
            request = await (await server.accept()).receive()
            assert (request.version_info, request.response_nonce) == ("v1", "")
            assert recorder.values[CLUSTER] == {"a": "x"}

        run(talk, delta=False)

    def test_every_request_repeats_all_names(self) -> None:
        async def talk(server: ManagementServer, recorder: Recorder) -> None:
            recorder.subscribe(ROUTE, ("a",))
            stream = await server.accept()
            assert list((await stream.receive()).resource_names) == ["a"]
            recorder.client.set_names(ROUTE, ADS, ("a", "b"))
            assert list((await stream.receive()).resource_names) == ["a", "b"]

        run(talk, delta=False)


@pytest.mark.parametrize("delta", [True, False])
def test_a_type_that_was_not_asked_for_is_refused_and_the_stream_lives_on(delta: bool) -> None:
    async def talk(server: ManagementServer, recorder: Recorder) -> None:
        recorder.subscribe(CLUSTER, WILDCARD)
        stream = await server.accept()
        await stream.receive()
        await send(stream, "type.googleapis.com/test.Unheard", "n1")
        nack = await stream.receive()
        assert (nack.type_url, nack.response_nonce) == ("type.googleapis.com/test.Unheard", "n1")
        assert nack.error_detail.message == "no subscription for type URL 'type.googleapis.com/test.Unheard'"
        await send(stream, CLUSTER, "n2")
        assert is_ack(await stream.receive(), CLUSTER, "n2")

    run(talk, delta=delta)


async def send(stream: Stream, type_url: str, nonce: str) -> None:
    if stream.delta:
        await stream.send_delta(type_url, nonce, {})
    else:
        await stream.send_sotw(type_url, nonce, [])


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
