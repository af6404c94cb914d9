"""An xDS client that begins with a journal: what it says to the server, what it says to its owner, what it would write."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from dataplane.base.address import SocketAddress
from dataplane.xds.journal import Journal, JournaledResource
from dataplane.xds.source import ADS, ApiSource, EnvoyGrpc, GrpcService
from dataplane.xds.subscription import WILDCARD
from dataplane.xds.types import CLUSTER, ENDPOINT
from tests.support.management_server import ManagementServer
from tests.support.xds_decoder import body
from tests.support.xds_recorder import Recorder

pytestmark = pytest.mark.e2e


def remembered(*names: str, text: str = "old") -> tuple[JournaledResource, ...]:
    return tuple(JournaledResource(name, "7", body(name, text)) for name in names)


def run(journal: Journal, talk: Callable[[ManagementServer, Recorder], Awaitable[None]], *, delta: bool = True) -> None:
    async def converse() -> None:
        async with ManagementServer() as server:
            source = ApiSource(GrpcService(EnvoyGrpc("xds", (SocketAddress("127.0.0.1", server.port),))), delta, False)
            async with Recorder(source, journal=journal) as recorder:
                await talk(server, recorder)

    asyncio.run(converse())


def in_use(recorder: Recorder) -> int:
    return recorder.stats.gauge("pointsman.journal.in_use").value


def test_what_was_had_is_there_before_any_server() -> None:
    async def talk(server: ManagementServer, recorder: Recorder) -> None:
        recorder.subscribe(CLUSTER, WILDCARD)
        recorder.subscribe(ENDPOINT, ("a",))
        assert recorder.values == {CLUSTER: {"a": "old", "b": "old"}, ENDPOINT: {"a": "old"}}
        assert recorder.settled == {(CLUSTER, None), (ENDPOINT, "a")}
        recorder.client.set_names(ENDPOINT, ADS, ("a", "b"))
        assert recorder.values[ENDPOINT] == {"a": "old", "b": "old"}
        assert in_use(recorder) == 1
        assert recorder.client.journaled() == {CLUSTER: [*remembered("a", "b")], ENDPOINT: [*remembered("a", "b")]}

    run(Journal(1.0, {CLUSTER: remembered("a", "b"), ENDPOINT: remembered("a", "b", "c")}), talk)


def test_a_delta_server_is_told_the_versions_and_sends_the_difference() -> None:
    async def talk(server: ManagementServer, recorder: Recorder) -> None:
        recorder.subscribe(CLUSTER, WILDCARD)
        stream = await server.accept()
        request = await stream.receive()
        assert dict(request.initial_resource_versions) == {"a": "7", "b": "7"}
        await stream.send_delta(CLUSTER, "n1", {"c": ("8", body("c", "new"))}, removed=("b",))
        await recorder.has(CLUSTER, {"a": "old", "c": "new"})
        assert in_use(recorder) == 0
        assert recorder.client.journaled() == {CLUSTER: [*remembered("a"), JournaledResource("c", "8", body("c", "new"))]}

    run(Journal(1.0, {CLUSTER: remembered("a", "b")}), talk)


def test_a_state_of_the_world_server_says_everything_and_replaces_it() -> None:
    async def talk(server: ManagementServer, recorder: Recorder) -> None:
        recorder.subscribe(CLUSTER, WILDCARD)
        stream = await server.accept()
        request = await stream.receive()
        assert request.version_info == ""
        decoded = len(recorder.decoder.calls)
        await stream.send_sotw(CLUSTER, "8", [body("a", "old"), body("c", "new")])
        await recorder.has(CLUSTER, {"a": "old", "c": "new"})
        assert recorder.decoder.calls[decoded:] == ["c"]
        assert recorder.client.journaled() == {
            CLUSTER: [JournaledResource("a", "8", body("a", "old")), JournaledResource("c", "8", body("c", "new"))]
        }

    run(Journal(1.0, {CLUSTER: remembered("a", "b")}), talk, delta=False)


def test_of_what_has_not_changed_a_delta_server_need_not_speak() -> None:
    async def talk(server: ManagementServer, recorder: Recorder) -> None:
        recorder.subscribe(CLUSTER, WILDCARD)
        recorder.subscribe(ENDPOINT, ("a",))
        stream = await server.accept()
        await stream.receive()
        await stream.send_delta(CLUSTER, "n1", {"b": ("8", body("b", "new"))})
        await recorder.has(CLUSTER, {"a": "old", "b": "new"})
        assert in_use(recorder) == 0
        assert recorder.client.journaled()[ENDPOINT] == [*remembered("a")]

    run(Journal(1.0, {CLUSTER: remembered("a"), ENDPOINT: remembered("a")}), talk)


def test_an_empty_type_is_known_to_be_empty() -> None:
    async def talk(server: ManagementServer, recorder: Recorder) -> None:
        recorder.subscribe(CLUSTER, WILDCARD)
        assert recorder.settled == {(CLUSTER, None)}

    run(Journal(1.0, {CLUSTER: ()}), talk)


def test_a_server_that_has_spoken_is_not_second_guessed() -> None:
    """A name that is wanted later comes from the server, not from what was once."""

    async def talk(server: ManagementServer, recorder: Recorder) -> None:
        recorder.subscribe(ENDPOINT, ("a",))
        stream = await server.accept()
        await stream.receive()
        await stream.send_delta(ENDPOINT, "n1", {"a": ("8", body("a", "new"))})
        await recorder.has(ENDPOINT, {"a": "new"})
        recorder.client.set_names(ENDPOINT, ADS, ("a", "b"))
        assert recorder.values[ENDPOINT] == {"a": "new"}

    run(Journal(1.0, {ENDPOINT: remembered("a", "b")}), talk)


def test_a_resource_that_is_refused_today_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    async def talk(server: ManagementServer, recorder: Recorder) -> None:
        with caplog.at_level(logging.WARNING):
            recorder.subscribe(CLUSTER, WILDCARD)
        assert recorder.values == {CLUSTER: {"a": "old"}}
        assert "'b' is not used: Thing{b}.text: is bad" in caplog.text

    run(Journal(1.0, {CLUSTER: (*remembered("a"), *remembered("b", text="bad"))}), talk)
