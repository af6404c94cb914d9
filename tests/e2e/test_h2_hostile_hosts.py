"""HTTP/2 hosts that flood, stall or break the rules, ours beside Envoy: what the client gets, and nobody else notices."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.support import h2_frames as wire
from tests.support.hostile_world import ENVOY, OURS, HostileHost, World, hostile_world
from tests.support.outcomes import BROKEN, BROKEN_AMID, CLOSED, CLOSED_AMID, GOOD, LATE, LATE_AMID, REFUSED, RESET, RESET_AMID

pytestmark = pytest.mark.e2e


class HostileHttp2Host(HostileHost):
    """settings: its first frame."""

    protocol = {"http2_protocol_options": {}}

    def __init__(self) -> None:
        self.settings = wire.settings()
        super().__init__()

    def await_request(self, connection: socket.socket) -> bool:
        connection.sendall(self.settings)
        return wire.await_kind(connection, wire.HEADERS)


STATUS = wire.block((b":status", b"200"))
BEGUN = wire.headers(1, STATUS, False)
HINT = wire.block((b":status", b"103"))
TABLE_ENTRY = b"\x40" + wire.block((b"a", b"x" * 4000))[1:]  # with incremental indexing
FIRST_OF_TABLE = b"\xbe"
# Where a head unfolds to many times its limit Envoy resets the stream, we end the connection (docs/differences.md).
BOMB, BOMB_AMID = "bomb", "bomb amid the answer"

# What the host says, how it ends, and what the client gets: status, flags, details.
ANSWERS: dict[str, tuple[bytes, str, str]] = {
    "ping flood": (wire.frame(wire.PING, payload=bytes(8)) * 20_000, "", BROKEN),
    "settings flood": (wire.settings() * 20_000, "", BROKEN),
    "window update flood": (wire.window_update(0, 1) * 5000, "", BROKEN),
    "window updates of the stream": (wire.window_update(1, 1) * 5000, "", BROKEN),
    "empty data flood": (BEGUN + wire.data(1, b"", False) * 1000, "", BROKEN_AMID),
    "continuation flood": (
        wire.frame(wire.HEADERS, 0, 1, STATUS) + wire.frame(wire.CONTINUATION, 0, 1, wire.block((b"a", b"b"))) * 20_000,
        "",
        BROKEN,
    ),
    "empty continuation flood": (
        wire.frame(wire.HEADERS, 0, 1, STATUS) + wire.frame(wire.CONTINUATION, 0, 1) * 20_000,
        "",
        BROKEN,
    ),
    "no HTTP/2": (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "", BROKEN),
    "no header block": (wire.headers(1, b"\xff\xff\xff\xff\xff\xff\x0f"), "", BROKEN),
    "no status": (wire.headers(1, wire.block((b"a", b"b"))), "", BROKEN),
    "two statuses": (wire.headers(1, wire.block((b":status", b"200"), (b":status", b"201"))), "", BROKEN),
    "a path": (wire.headers(1, wire.block((b":status", b"200"), (b":path", b"/"))), "", BROKEN),
    "connection": (wire.headers(1, wire.block((b":status", b"200"), (b"connection", b"close"))), "", BROKEN),
    "a line break": (wire.headers(1, wire.block((b":status", b"200"), (b"a", b"b\r\nc: d"))), "", BROKEN),
    "data without a head": (wire.data(1, b"x"), "", BROKEN),
    "another stream": (wire.headers(3, STATUS), "", BROKEN),
    "too large a frame": (wire.frame(wire.DATA, 0, 1, bytes(20_000)), "", BROKEN),
    "too many headers": (wire.headers(1, STATUS + wire.block(*[(b"a%d" % number, b"b") for number in range(150)])), "", RESET),
    "refused": (wire.reset(1, 7), "", REFUSED),
    "reset": (wire.reset(1, 11), "", RESET),
    "reset amid": (BEGUN + wire.data(1, b"ok", False) + wire.reset(1, 2), "", RESET_AMID),
    "going away": (wire.goaway(0), "", REFUSED),
    "going away later": (wire.goaway(1) + BEGUN + wire.data(1, b"ok"), "", GOOD),
    "closed": (b"", "close", CLOSED),
    "closed amid": (BEGUN + wire.data(1, b"ok", False), "close", CLOSED_AMID),
    "closed within a frame": (BEGUN + wire.data(1, b"okok", False)[:11], "close", CLOSED_AMID),
    "cut": (b"", "reset", CLOSED),
    "silent": (b"", "", LATE),
    "too long": (
        wire.headers(1, wire.block((b":status", b"200"), (b"content-length", b"1")), False) + wire.data(1, b"okay"),
        "",
        BROKEN_AMID,
    ),
    "many early hints": (wire.headers(1, wire.block((b":status", b"103")), False) * 200 + wire.headers(1, STATUS), "", GOOD),
    "headers that unfold": (wire.headers(1, STATUS + TABLE_ENTRY + FIRST_OF_TABLE * 15_000), "", BOMB),
    "hints that unfold": (wire.headers(1, HINT + TABLE_ENTRY + FIRST_OF_TABLE * 15_000, False), "", BOMB),
    "trailers that unfold": (
        BEGUN + wire.data(1, b"ok", False) + wire.headers(1, TABLE_ENTRY + FIRST_OF_TABLE * 15_000),
        "",
        BOMB_AMID,
    ),
    "too many trailers": (
        BEGUN + wire.headers(1, wire.block(*[(b"a%d" % number, b"b") for number in range(150)])),
        "",
        RESET_AMID,
    ),
    "trailers without end": (
        BEGUN
        + wire.frame(wire.HEADERS, wire.END_STREAM, 1, wire.block((b"a", b"b")))
        + wire.frame(wire.CONTINUATION, 0, 1, wire.block((b"a", b"b"))) * 20_000,
        "",
        BROKEN_AMID,
    ),
    "trailers with a status": (BEGUN + wire.headers(1, STATUS), "", BROKEN_AMID),
    "trailers that are not the end": (BEGUN + wire.headers(1, wire.block((b"a", b"b")), False), "", BROKEN_AMID),
    "early hints without end": (wire.headers(1, HINT, False) * 20_000, "", LATE),
    "priorities": (wire.frame(wire.PRIORITY, 0, 1, b"\0\0\0\0\x10") * 20_000, "", BROKEN),
    "acknowledgements of settings": (wire.frame(wire.SETTINGS, wire.ACK) * 20_000, "", BROKEN),
    "acknowledgements of pings": (wire.frame(wire.PING, wire.ACK, payload=bytes(8)) * 20_000, "", LATE),
    "going away without end": (wire.goaway(1) * 5000, "", LATE),
    "resets without end": (wire.reset(1) * 5000, "", RESET),
    "a reset of no stream": (wire.reset(3), "", BROKEN),
    "a promise": (wire.frame(wire.PUSH_PROMISE, wire.END_HEADERS, 1, b"\0\0\0\2" + wire.request_block()), "", LATE),
    "frames of no known kind": (wire.frame(0xFA, 0, 0, b"x" * 100) * 100, "", LATE),
    "a window too wide": (wire.window_update(1, 0x7FFFFFFF) * 2, "", BROKEN),
    "a window too wide for all": (wire.window_update(0, 0x7FFFFFFF) * 2, "", BROKEN),
    "a window wider by nothing": (wire.window_update(1, 0), "", BROKEN),
    "a table without bounds": (wire.settings(table=0xFFFFFFFF) + wire.headers(1, STATUS), "", GOOD),
    "no streams": (wire.settings(streams=0) + wire.headers(1, STATUS), "", GOOD),
    "settings that are none": (wire.settings(push=2), "", BROKEN),
    "a name in capitals": (wire.headers(1, STATUS + wire.block((b"X", b"y"))), "", BROKEN),
    "a broken Huffman code": (wire.headers(1, STATUS + b"\0\x81\xff\x81\xff"), "", BROKEN),
    "half a head": (wire.frame(wire.HEADERS, 0, 1, STATUS), "", LATE),
    "half a body": (BEGUN + wire.data(1, b"half", False), "", LATE_AMID),
}

# The same for a request whose body is not read.
EARLY_ANSWERS: dict[str, tuple[bytes, str]] = {
    "answers early": (wire.headers(1, wire.block((b":status", b"413"))), "413 - via_upstream"),
    "answers early, and is done": (wire.headers(1, wire.block((b":status", b"413"))) + wire.reset(1, 0), "413 - via_upstream"),
    "resets": (wire.reset(1, 2), RESET),
    "never answers": (b"", LATE),
}


@pytest.fixture(scope="module", params=[OURS, ENVOY])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with hostile_world(request.param, tmp_path_factory.mktemp(request.param), HostileHttp2Host()) as made:
        yield made


@pytest.mark.parametrize(("answer", "end", "logged"), ANSWERS.values(), ids=ANSWERS)
def test_what_a_host_does_wrong_is_told_to_whom_it_concerns(world: World, answer: bytes, end: str, logged: str) -> None:
    if logged == BOMB:
        logged = BROKEN if world.is_ours else RESET
    elif logged == BOMB_AMID:
        logged = BROKEN_AMID if world.is_ours else RESET_AMID
    assert world.ask_the_hostile_host(answer, end, late=logged in (LATE, LATE_AMID)) == logged


@pytest.mark.parametrize("size", [20_000, 4 << 20, 15 << 20], ids=["small", "large", "as large as may wait"])
@pytest.mark.parametrize(("answer", "logged"), EARLY_ANSWERS.values(), ids=EARLY_ANSWERS)
def test_an_upload_that_the_host_does_not_read_waits_for_nobody(world: World, answer: bytes, logged: str, size: int) -> None:
    assert world.ask_the_hostile_host(answer, "", bytes(size), late=logged in (LATE, LATE_AMID)) == logged


def test_an_upload_into_a_window_that_stays_closed_is_given_up(world: World) -> None:
    host = world.hostile
    assert isinstance(host, HostileHttp2Host)
    host.settings = wire.settings(window=0)
    try:
        assert world.ask_the_hostile_host(b"", "", bytes(20_000), late=True) == LATE
    finally:
        host.settings = wire.settings()
