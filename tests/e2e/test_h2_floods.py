"""Clients that flood or stall over HTTP/2, ours beside Envoy: their connection ends, nobody else notices."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from tests.support import h2_frames as wire
from tests.support.hostile_world import ENVOY, MAX_GROWTH, OURS, HostileHost, Neighbour, World, hostile_world
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", params=[OURS, ENVOY])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with hostile_world(request.param, tmp_path_factory.mktemp(request.param), HostileHost()) as made:
        yield made


HEAD = wire.request_block()
ASK = wire.headers(1, HEAD, False)
TABLE_ENTRY = b"\x40" + wire.block((b"a", b"x" * 4000))[1:]  # with incremental indexing
FIRST_OF_TABLE = b"\xbe"

RESETS = "http.in.downstream_rq_too_many_premature_resets"

# What is sent, and the statistics that count it: here, and in Envoy.
FLOODS: dict[str, tuple[bytes, str, str]] = {
    "rapid reset": (b"".join(wire.headers(n, HEAD) + wire.reset(n) for n in range(1, 4001, 2)), RESETS, RESETS),
    "rapid reset of uploads": (
        b"".join(wire.headers(n, HEAD, False) + wire.reset(n) for n in range(1, 4001, 2)),
        RESETS,
        RESETS,
    ),
    "continuation": (
        wire.frame(wire.HEADERS, wire.END_STREAM, 1, HEAD)
        + wire.frame(wire.CONTINUATION, 0, 1, wire.block((b"a", b"b"))) * 20_000,
        "http2.header_overflow",
        "http2.header_overflow",
    ),
    "empty continuation": (
        wire.frame(wire.HEADERS, wire.END_STREAM, 1, HEAD) + wire.frame(wire.CONTINUATION, 0, 1) * 20_000,
        "http2.inbound_empty_frames_flood",
        "http2.inbound_empty_frames_flood",
    ),
    "ping": (wire.frame(wire.PING, payload=bytes(8)) * 20_000, "http2.outbound_control_flood", ""),
    "settings": (wire.settings(window=1000) * 20_000, "http2.outbound_control_flood", ""),
    "empty data": (
        ASK + wire.data(1, b"", False) * 1000,
        "http2.inbound_empty_frames_flood",
        "http2.inbound_empty_frames_flood",
    ),
    "padding alone": (
        ASK + wire.frame(wire.DATA, 8, 1, b"\xff" + bytes(255)) * 1000,
        "http2.inbound_empty_frames_flood",
        "http2.inbound_empty_frames_flood",
    ),
    "window updates of a stream": (
        ASK + wire.window_update(1, 1) * 5000,
        "http2.inbound_window_update_frames_flood",
        "http2.inbound_window_update_frames_flood",
    ),
    "window updates of the connection": (
        wire.window_update(0, 1) * 5000,
        "http2.inbound_window_update_frames_flood",
        "http2.inbound_window_update_frames_flood",
    ),
    "priorities": (
        ASK + wire.frame(wire.PRIORITY, 0, 1, b"\0\0\0\0\x10") * 20_000,
        "",
        "http2.inbound_priority_frames_flood",
    ),
    "acknowledgements of settings": (wire.frame(wire.SETTINGS, wire.ACK) * 20_000, "", ""),
}


def send(port: int, flood: bytes) -> bytes:
    """Send as long as it is taken, then read to the end.  Returns what came."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(wire.PREFACE + wire.settings() + flood)
        while data := connection.recv(1 << 20):
            received += data
    return received


@pytest.mark.parametrize(("flood", "ours", "envoys"), FLOODS.values(), ids=FLOODS)
def test_a_flood_ends_its_connection_alone(world: World, flood: bytes, ours: str, envoys: str) -> None:
    statistic = ours if world.is_ours else envoys
    with Neighbour(world.port) as neighbour:
        before, resident = world.stats(), world.resident()
        send(world.port, flood)
        assert neighbour.is_served()
        after = world.stats()
    assert world.resident() - resident < MAX_GROWTH
    if statistic:
        assert after[statistic] == before.get(statistic, 0) + 1
    assert after["http.in.downstream_cx_destroy_local"] == before["http.in.downstream_cx_destroy_local"] + 1
    assert after["http2.streams_active"] == 0


def test_a_compressed_head_that_unfolds_costs_no_more_than_its_limit(world: World) -> None:
    """60 MB of headers in 20 kB."""
    bomb = wire.headers(1, HEAD + TABLE_ENTRY + FIRST_OF_TABLE * 15_000)
    before, resident = world.stats(), world.resident()
    with socket.create_connection(("127.0.0.1", world.port), timeout=PATIENCE) as connection:
        connection.sendall(wire.PREFACE + wire.settings() + bomb + wire.goaway(0))
        frames: list[wire.Frame] = []
        received = b""
        while data := connection.recv(1 << 20):  # Envoy resets the stream, we end the connection
            received += data
            frames = wire.split(received)
            if any(frame.kind == wire.RST_STREAM for frame in frames):
                break
    assert not any(frame.kind == wire.HEADERS for frame in frames)
    assert world.stats()["http2.header_list_size_too_large"] == before.get("http2.header_list_size_too_large", 0) + 1
    assert world.resident() - resident < MAX_GROWTH


def test_streams_whose_window_stays_closed_are_given_up(world: World) -> None:
    before = world.stats()
    asked = b"".join(wire.headers(number, HEAD) for number in range(1, 201, 2))
    with socket.create_connection(("127.0.0.1", world.port), timeout=PATIENCE) as connection:
        connection.sendall(wire.PREFACE + wire.settings(window=0) + asked)
        received = b""
        while sum(frame.kind == wire.RST_STREAM for frame in wire.split(received)) < 100:
            data = connection.recv(1 << 20)
            assert data
            received += data
    assert not any(frame.kind == wire.DATA and frame.payload for frame in wire.split(received))
    assert world.stats()["http2.tx_flush_timeout"] == before.get("http2.tx_flush_timeout", 0) + 100
