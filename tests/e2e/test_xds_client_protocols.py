"""Both protocols of the xDS client, message by message, on a real gRPC connection."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from dataplane.xds.source import ADS
from dataplane.xds.status import ClientStatus
from dataplane.xds.subscription import WILDCARD
from dataplane.xds.types import CLUSTER, ENDPOINT, ROUTE
from tests.support.management_server import ManagementServer, Stream
from tests.support.xds_conversation import NODE, delta_of, is_ack, run
from tests.support.xds_decoder import body
from tests.support.xds_recorder import Recorder

pytestmark = pytest.mark.e2e


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
