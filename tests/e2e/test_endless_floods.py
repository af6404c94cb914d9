"""Peers that never stop sending, ours beside Envoy: others are served meanwhile, time-outs hold, and memory is bounded.

The floods are of messages that cost their sender next to nothing and no rule forbids; what breaks a rule has tests of its own.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support import h2_frames as wire
from tests.support.hostile_world import ENVOY, MAX_GROWTH, OURS, HostileHost, Neighbour, World, hostile_world
from tests.support.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.e2e

# On a machine that has other things to do.  Without turns (base.reading_turns) a neighbour waited for as long as the flood went on.
PROMPT = 5.0
SERVED = 5
AT_ONCE = 256 * 1024


def flood(connection: socket.socket, unit: bytes, over: threading.Event) -> None:
    """Send *unit* again and again until it is over, or not taken any more."""
    piece = unit * (AT_ONCE // len(unit))
    connection.settimeout(5)  # who takes nothing for so long will not
    with contextlib.suppress(OSError):
        while not over.is_set():
            connection.sendall(piece)


def read_to_the_end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while connection.recv(1 << 20):
            pass


class EndlessHost(HostileHost):
    """Says `answer`, and then `unit` until `over`, or nothing where that is empty."""

    unit = b""

    def __init__(self) -> None:
        self.over = threading.Event()
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        if self.await_request(connection):
            connection.sendall(self.answer)
            if self.unit:
                flood(connection, self.unit, self.over)
            else:
                read_to_the_end(connection)


class EndlessHttp2Host(EndlessHost):
    protocol = {"http2_protocol_options": {}}

    def await_request(self, connection: socket.socket) -> bool:
        connection.sendall(wire.settings())
        return wire.await_kind(connection, wire.HEADERS)


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
HINT = wire.block((b":status", b"103"))
PONG = wire.frame(wire.PING, wire.ACK, payload=bytes(8))
LATE, LATE_AMID = "504 UT response_timeout", "200 UT response_timeout"

# What a host says first, what it says without end, and what the request is logged as.
OF_HOSTS = {
    "100 (Continue)": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", LATE),
    "early hints, each its own": (b"", b"".join(b"HTTP/1.1 103 Hi\r\nlink: </%d>\r\n\r\n" % n for n in range(500)), LATE),
    "chunks of a byte": (CHUNKED, b"1\r\nx\r\n", LATE_AMID),
    "chunk extensions": (CHUNKED, b"1;a=b\r\nx\r\n", LATE_AMID),
}
OF_HTTP2_HOSTS = {
    "early hints": (b"", wire.headers(1, HINT, False), LATE),
    "acknowledgements of pings": (b"", PONG, LATE),
    "goodbyes": (b"", wire.goaway(1), LATE),
}
POST = b"POST /hostile/upload HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n"
GREETING = wire.PREFACE + wire.settings()
OF_CLIENTS = {
    "blank lines": (b"", b"\r\n"),
    "line feeds": (b"", b"\n"),
    "carriage returns": (b"", b"\r"),
    "requests": (b"", b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"),
    "chunks of a byte": (POST, b"1\r\nx\r\n"),
    "chunk extensions": (POST, b"1;a=b\r\nx\r\n"),
    "acknowledgements of pings": (GREETING, PONG),
    "frames of a byte": (
        GREETING + wire.headers(1, wire.request_block(path=b"/hostile/upload"), False),
        wire.data(1, b"x", False),
    ),
}


@pytest.fixture(scope="module", params=[OURS, ENVOY])
def subject(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def world(subject: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with hostile_world(subject, tmp_path_factory.mktemp(subject), EndlessHost()) as made:
        yield made


@pytest.fixture(scope="module")
def http2_world(subject: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with hostile_world(subject, tmp_path_factory.mktemp(f"{subject}-h2"), EndlessHttp2Host()) as made:
        yield made


@contextlib.contextmanager
def others_are_served(world: World) -> Iterator[None]:
    """While what stands inside goes on, from before its beginning; it ends when they were."""
    with Neighbour(world.port) as neighbour:
        resident = world.resident()
        yield
        slowest = 0.0
        for _ in range(SERVED):
            begun = time.monotonic()
            assert neighbour.is_served()
            slowest = max(slowest, time.monotonic() - begun)
        assert slowest < PROMPT
        assert world.resident() - resident < MAX_GROWTH


def ask_the_endless_host(world: World, first: bytes, unit: bytes) -> str:
    host = world.hostile
    assert isinstance(host, EndlessHost)
    host.answer, host.unit = first, unit
    host.over.clear()
    seen = len(world.logged())
    with socket.create_connection(("127.0.0.1", world.port), timeout=PATIENCE) as client:
        reader = threading.Thread(target=read_to_the_end, args=(client,))
        try:
            with others_are_served(world):
                client.sendall(b"GET /hostile HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n")
                reader.start()
            begun = time.monotonic()
            (line,) = wait_until(lambda: world.logged()[seen:], "a line in the log")
            assert time.monotonic() - begun < PROMPT
        finally:
            host.over.set()
            reader.join()
    return line.removeprefix("/hostile ")


@pytest.mark.parametrize(("first", "unit", "logged"), OF_HOSTS.values(), ids=OF_HOSTS)
def test_a_host_without_end_is_given_up_in_time(world: World, first: bytes, unit: bytes, logged: str) -> None:
    assert ask_the_endless_host(world, first, unit) == logged


@pytest.mark.parametrize(("first", "unit", "logged"), OF_HTTP2_HOSTS.values(), ids=OF_HTTP2_HOSTS)
def test_an_http2_host_without_end_is_given_up_in_time(http2_world: World, first: bytes, unit: bytes, logged: str) -> None:
    assert ask_the_endless_host(http2_world, first, unit) == logged


@pytest.mark.parametrize(("first", "unit"), OF_CLIENTS.values(), ids=OF_CLIENTS)
def test_a_client_without_end_takes_its_turns(world: World, first: bytes, unit: bytes) -> None:
    host, over = world.hostile, threading.Event()
    assert isinstance(host, EndlessHost)
    host.answer = host.unit = b""
    with socket.create_connection(("127.0.0.1", world.port), timeout=PATIENCE) as client:
        client.sendall(first)
        sender = threading.Thread(target=flood, args=(client, unit, over))
        reader = threading.Thread(target=read_to_the_end, args=(client,))
        sender.start()
        reader.start()
        try:
            with others_are_served(world):
                pass
        finally:
            over.set()
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            sender.join()
            reader.join()
