"""Peers that flood, stall or break the rules of HTTP/2, from both sides, ours beside Envoy: the connection ends, nobody else notices."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import bootstraps
from tests.support import h2_frames as wire
from tests.support.envoy_process import envoy_process
from tests.support.origin import Origin, in_a_thread
from tests.support.our_process import our_process
from tests.support.proxy_process import ProxyProcess
from tests.support.tcp_peers import ThreadedPeer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

# What a flood may leave behind in a proxy: caches and pools find their size, Envoy's allocator takes some megabytes.
MAX_GROWTH = 32 << 20

ONE_REQUEST_EACH = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": bootstraps.TYPE + "upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": {"max_requests_per_connection": 1},
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}


class HostileHost(ThreadedPeer):
    """Waits for a request on each connection, then says `answer`: bytes, then nothing, a FIN or a reset."""

    def __init__(self) -> None:
        self.answer = b""
        self.end = ""
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        connection.sendall(wire.settings())
        received = b""
        while not any(frame.kind == wire.HEADERS for frame in wire.split(received[len(wire.PREFACE) :])):
            data = connection.recv(65536)
            if not data:
                return
            received += data
        connection.sendall(self.answer)
        if self.end == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        while not self.end and connection.recv(65536):
            pass


@dataclass
class World:
    proxy: ProxyProcess
    port: int
    hostile: HostileHost
    log: Path
    is_ours: bool

    def stats(self) -> dict[str, int]:
        return self.proxy.admin.stats()

    def logged(self) -> list[str]:
        """What the access log says of requests to the hostile host."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if line.startswith("/hostile ")]

    def resident(self) -> int:
        status = Path(f"/proc/{self.proxy.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024


@pytest.fixture(scope="module", params=["ours", "envoy"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp(request.param)
    hostile, log = HostileHost(), directory / "access.log"
    routes = [
        {"match": {"prefix": "/hostile"}, "route": {"cluster": "hostile", "timeout": "0.5s"}},
        {"match": {"prefix": "/"}, "route": {"cluster": "up"}},
    ]
    text = "%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n"
    access_log = {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": bootstraps.TYPE + "access_loggers.file.v3.FileAccessLog",
            "path": str(log),
            "log_format": {"text_format_source": {"inline_string": text}},
        },
    }
    with in_a_thread(Origin("up")) as origin:
        listener = bootstraps.http_listener(
            "in", routes, access_log=[access_log], delayed_close_timeout="0.1s", stream_idle_timeout="1s"
        )
        clusters = [
            bootstraps.static_cluster("up", origin.port),
            bootstraps.static_cluster("hostile", hostile.port, typed_extension_protocol_options=ONE_REQUEST_EACH),
        ]
        make = our_process if request.param == "ours" else envoy_process
        proxy = make(bootstraps.static([listener], clusters), directory / "proxy")
        proxy.start()
        try:
            yield World(proxy, proxy.wait_listeners(["in"])["in"], hostile, log, request.param == "ours")
        finally:
            proxy.stop()
            hostile.close()


# -- clients ------------------------------------------------------------------------------------------------------------

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
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(wire.PREFACE + wire.settings() + flood)
        while data := connection.recv(1 << 20):
            received += data
    return received


class Neighbour:
    """A client of the same proxy that keeps the rules; its connection is open before the flood and after it."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self.is_served()

    def is_served(self) -> bool:
        self._connection.request("GET", "/")
        return self._connection.getresponse().read() == b"up"

    def __enter__(self) -> Neighbour:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


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
    with socket.create_connection(("127.0.0.1", world.port), timeout=10) as connection:
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
    with socket.create_connection(("127.0.0.1", world.port), timeout=10) as connection:
        connection.sendall(wire.PREFACE + wire.settings(window=0) + asked)
        received = b""
        while sum(frame.kind == wire.RST_STREAM for frame in wire.split(received)) < 100:
            data = connection.recv(1 << 20)
            assert data
            received += data
    assert not any(frame.kind == wire.DATA and frame.payload for frame in wire.split(received))
    assert world.stats()["http2.tx_flush_timeout"] == before.get("http2.tx_flush_timeout", 0) + 100


# -- upstreams ----------------------------------------------------------------------------------------------------------

STATUS = wire.block((b":status", b"200"))
BEGUN = wire.headers(1, STATUS, False)
BROKEN = "upstream_reset_before_response_started{protocol_error}"

# What the host says, how it ends, and what the client gets: status, flags, details.
ANSWERS: dict[str, tuple[bytes, str, str]] = {
    "ping flood": (wire.frame(wire.PING, payload=bytes(8)) * 20_000, "", f"502 UPE {BROKEN}"),
    "settings flood": (wire.settings() * 20_000, "", f"502 UPE {BROKEN}"),
    "window update flood": (wire.window_update(0, 1) * 5000, "", f"502 UPE {BROKEN}"),
    "window updates of the stream": (wire.window_update(1, 1) * 5000, "", f"502 UPE {BROKEN}"),
    "empty data flood": (
        BEGUN + wire.data(1, b"", False) * 1000,
        "",
        "200 UPE upstream_reset_after_response_started{protocol_error}",
    ),
    "continuation flood": (
        wire.frame(wire.HEADERS, 0, 1, STATUS) + wire.frame(wire.CONTINUATION, 0, 1, wire.block((b"a", b"b"))) * 20_000,
        "",
        f"502 UPE {BROKEN}",
    ),
    "empty continuation flood": (
        wire.frame(wire.HEADERS, 0, 1, STATUS) + wire.frame(wire.CONTINUATION, 0, 1) * 20_000,
        "",
        f"502 UPE {BROKEN}",
    ),
    "no HTTP/2": (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "", f"502 UPE {BROKEN}"),
    "no header block": (wire.headers(1, b"\xff\xff\xff\xff\xff\xff\x0f"), "", f"502 UPE {BROKEN}"),
    "no status": (wire.headers(1, wire.block((b"a", b"b"))), "", f"502 UPE {BROKEN}"),
    "two statuses": (wire.headers(1, wire.block((b":status", b"200"), (b":status", b"201"))), "", f"502 UPE {BROKEN}"),
    "a path": (wire.headers(1, wire.block((b":status", b"200"), (b":path", b"/"))), "", f"502 UPE {BROKEN}"),
    "connection": (wire.headers(1, wire.block((b":status", b"200"), (b"connection", b"close"))), "", f"502 UPE {BROKEN}"),
    "a line break": (wire.headers(1, wire.block((b":status", b"200"), (b"a", b"b\r\nc: d"))), "", f"502 UPE {BROKEN}"),
    "data without a head": (wire.data(1, b"x"), "", f"502 UPE {BROKEN}"),
    "another stream": (wire.headers(3, STATUS), "", f"502 UPE {BROKEN}"),
    "too large a frame": (wire.frame(wire.DATA, 0, 1, bytes(20_000)), "", f"502 UPE {BROKEN}"),
    "too many headers": (
        wire.headers(1, STATUS + wire.block(*[(b"a%d" % number, b"b") for number in range(150)])),
        "",
        "503 UR upstream_reset_before_response_started{remote_reset}",
    ),
    "refused": (wire.reset(1, 7), "", "503 UR upstream_reset_before_response_started{remote_refused_stream_reset}"),
    "reset": (wire.reset(1, 11), "", "503 UR upstream_reset_before_response_started{remote_reset}"),
    "reset amid": (
        BEGUN + wire.data(1, b"ok", False) + wire.reset(1, 2),
        "",
        "200 UR upstream_reset_after_response_started{remote_reset}",
    ),
    "going away": (wire.goaway(0), "", "503 UR upstream_reset_before_response_started{remote_refused_stream_reset}"),
    "going away later": (wire.goaway(1) + BEGUN + wire.data(1, b"ok"), "", "200 - via_upstream"),
    "closed": (b"", "close", "503 UC upstream_reset_before_response_started{connection_termination}"),
    "closed amid": (
        BEGUN + wire.data(1, b"ok", False),
        "close",
        "200 UC upstream_reset_after_response_started{connection_termination}",
    ),
    "closed within a frame": (
        BEGUN + wire.data(1, b"okok", False)[:11],
        "close",
        "200 UC upstream_reset_after_response_started{connection_termination}",
    ),
    "cut": (b"", "reset", "503 UC upstream_reset_before_response_started{connection_termination}"),
    "silent": (b"", "", "504 UT response_timeout"),
    "too long": (
        wire.headers(1, wire.block((b":status", b"200"), (b"content-length", b"1")), False) + wire.data(1, b"okay"),
        "",
        "200 UPE upstream_reset_after_response_started{protocol_error}",
    ),
    "many early hints": (
        wire.headers(1, wire.block((b":status", b"103")), False) * 200 + wire.headers(1, STATUS),
        "",
        "200 - via_upstream",
    ),
}


@pytest.mark.parametrize(("answer", "end", "logged"), ANSWERS.values(), ids=ANSWERS)
def test_what_a_host_does_wrong_is_told_to_whom_it_concerns(world: World, answer: bytes, end: str, logged: str) -> None:
    world.hostile.answer, world.hostile.end = answer, end
    seen = len(world.logged())
    with Neighbour(world.port) as neighbour:
        resident = world.resident()
        connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=10)
        with contextlib.closing(connection), contextlib.suppress(http.client.IncompleteRead):
            connection.request("GET", "/hostile")
            response = connection.getresponse()
            assert response.status == int(logged[:3])
            response.read()
        assert neighbour.is_served()
    assert world.resident() - resident < MAX_GROWTH
    wait_until(lambda: world.logged()[seen:] == [f"/hostile {logged}"], f"{logged} in the log")
