"""HTTP/2 on the wire, byte by byte, ours beside Envoy: what clients that break rules get, and h1 and h2 in every combination."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from dataplane.semantics.h2_session import Event, H2Session, RequestReceived, TrailersReceived
from tests.support import bootstraps
from tests.support import h2_frames as wire
from tests.support.envoy_process import envoy_process
from tests.support.h2_peers import H2Peer
from tests.support.our_process import our_process
from tests.support.tcp_peers import ThreadedPeer
from tests.support.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.e2e

HTTP2 = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": bootstraps.TYPE + "upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}


class H2Origin(H2Peer):
    """Answers every request with its own head and body, over HTTP/2; keeps what came."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._heads: dict[tuple[H2Session, int], bytes] = {}
        super().__init__()

    def on_event(self, session: H2Session, event: Event) -> None:
        self.events.append(event)
        stream_id = getattr(event, "stream_id", 0)
        if isinstance(event, RequestReceived):
            self._heads[session, stream_id] = b"\n".join(b": ".join(each) for each in event.headers)
        if getattr(event, "end_stream", False) or isinstance(event, TrailersReceived):
            session.send_response(stream_id, [(b":status", b"200"), (b"x-origin", b"h2")])
            session.send_data(stream_id, self._heads[session, stream_id], end_stream=True)


class H1Origin(ThreadedPeer):
    """The same over HTTP/1.1; reads one chunk-coded or bare request at a time."""

    def serve(self, connection: socket.socket) -> None:
        received = b""
        while data := connection.recv(65536):
            received += data
            head, end, body = received.partition(b"\r\n\r\n")
            length = next((int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"content-length: ")), 0)
            chunked = b"transfer-encoding: chunked" in head
            if end and (body.endswith(b"0\r\n\r\n") if chunked else len(body) >= length):
                connection.sendall(b"HTTP/1.1 200 OK\r\nx-origin: h1\r\ncontent-length: %d\r\n\r\n" % len(head) + head)
                received = b""


@dataclass
class World:
    port: int
    origin: H2Origin


@pytest.fixture(scope="module", params=["ours", "envoy"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    one, two = H1Origin(), H2Origin()
    routes = [
        {"match": {"prefix": "/two"}, "route": {"cluster": "two"}},
        {"match": {"prefix": "/same"}, "route": {"cluster": "same"}},
        {"match": {"prefix": "/"}, "route": {"cluster": "one"}},
    ]
    same = {"@type": bootstraps.TYPE + "upstreams.http.v3.HttpProtocolOptions", "use_downstream_protocol_config": {}}
    clusters = [
        bootstraps.static_cluster("one", one.port),
        bootstraps.static_cluster("two", two.port, typed_extension_protocol_options=HTTP2),
        bootstraps.static_cluster("same", two.port, typed_extension_protocol_options={next(iter(HTTP2)): same}),
    ]
    bootstrap = bootstraps.static([bootstraps.http_listener("in", routes)], clusters)
    make = our_process if request.param == "ours" else envoy_process
    proxy = make(bootstrap, tmp_path_factory.mktemp(request.param))
    proxy.start()
    try:
        yield World(proxy.wait_listeners(["in"])["in"], two)
    finally:
        proxy.stop()
        one.close()
        two.close()


def talk(port: int, *pieces: bytes, until: int = wire.HEADERS) -> tuple[list[wire.Frame], bool]:
    """Send, and read until a frame of the kind or the end came.  Returns the frames, and whether the connection ended."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(wire.PREFACE + wire.settings() + b"".join(pieces))
        received = b""
        while True:
            try:
                data = connection.recv(65536)
            except ConnectionResetError:
                data = b""
            received += data
            frames = [frame for frame in wire.split(received) if frame.kind not in (wire.SETTINGS, wire.WINDOW_UPDATE)]
            if not data or any(frame.kind == until for frame in frames):
                return frames, not data


REFUSED = {
    "connection": wire.request_block((b"connection", b"close")),
    "transfer-encoding": wire.request_block((b"transfer-encoding", b"chunked")),
    "te": wire.request_block((b"te", b"gzip")),
    "upgrade": wire.request_block((b"upgrade", b"websocket")),
    "upper case": wire.request_block((b"Foo", b"x")),
    "line break in a value": wire.request_block((b"foo", b"x\r\nbar: y")),
    "line break in a path": wire.request_block(path=b"/\r\nbar: y"),
    "line break in a host": wire.request_block(host=b"h\r\nbar: y"),
    "nul": wire.request_block((b"foo", b"x\0y")),
    "control character": wire.request_block((b"foo", b"\x01")),
    "space in a name": wire.request_block((b"a b", b"1")),
    "empty name": wire.request_block((b"", b"1")),
    "second path": wire.request_block((b":path", b"/x")),
    "unknown pseudo-header": wire.request_block((b":foo", b"/x")),
    "length that is none": wire.request_block((b"content-length", b"-5")),
    "two lengths": wire.request_block((b"content-length", b"3"), (b"content-length", b"4")),
}


@pytest.mark.parametrize("head", REFUSED.values(), ids=REFUSED)
def test_what_could_smuggle_ends_the_connection(world: World, head: bytes) -> None:
    frames, ended = talk(world.port, wire.headers(1, head), until=wire.GOAWAY)
    assert ended or frames[-1].kind == wire.GOAWAY  # Envoy says nothing before it closes
    assert not any(frame.kind == wire.HEADERS for frame in frames)


@pytest.mark.parametrize("number", [97, 200])
def test_too_many_fields_cost_the_stream(world: World, number: int) -> None:
    fields = [(b"a%d" % each, b"1") for each in range(number)]
    frames, _ = talk(world.port, wire.headers(1, wire.request_block(*fields)), until=wire.RST_STREAM)
    assert [(frame.kind, frame.stream_id, frame.number) for frame in frames] == [(wire.RST_STREAM, 1, 2)]


def test_too_large_a_head_costs_the_stream(world: World) -> None:
    frames, _ = talk(world.port, wire.headers(1, wire.request_block(*[(b"a", b"x" * 10_000)] * 7)), until=wire.RST_STREAM)
    assert [(frame.kind, frame.stream_id, frame.number) for frame in frames] == [(wire.RST_STREAM, 1, 2)]


@pytest.mark.parametrize(
    "flood",
    [
        wire.headers(1, wire.request_block(), False) + wire.data(1, b"", False) * 20,
        wire.headers(1, wire.request_block(), False) + wire.window_update(1, 1) * 50,
        wire.frame(wire.WINDOW_UPDATE, 0, 0, bytes(4)),
        wire.frame(wire.SETTINGS, 0, 0, b"\0\2\0\0\0\5"),
        wire.headers(1, wire.request_block(), False) + wire.headers(3, wire.request_block()) + wire.headers(1, b"", False),
    ],
    ids=["empty frames", "window updates", "no increment", "wrong setting", "headers twice"],
)
def test_floods_and_broken_frames_end_the_connection(world: World, flood: bytes) -> None:
    frames, ended = talk(world.port, flood, until=wire.GOAWAY)
    assert ended or frames[-1].kind == wire.GOAWAY


def curl(world: World, path: str, *flags: str) -> tuple[str, str]:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    url = f"http://127.0.0.1:{world.port}{path}"
    command = ["curl", "-sS", "-D", "-", "-m", "10", *flags, url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    head, _, body = done.stdout.replace("\r", "").partition("\n\n")
    return head, body


@pytest.mark.parametrize("two", [True, False], ids=["h2 client", "h1 client"])
@pytest.mark.parametrize(("path", "origin"), [("/one", "h1"), ("/two", "h2")])
@pytest.mark.parametrize("body", [(), ("-d", "payload"), ("-H", "transfer-encoding: chunked", "-d", "payload")])
def test_any_to_any(world: World, two: bool, path: str, origin: str, body: tuple[str, ...]) -> None:
    if two and "-H" in body:
        body = ("-H", "content-length:", "-d", "payload")
    flags = ("--http2-prior-knowledge",) if two else ("--http1.1",)
    head, echoed = curl(world, path, "-H", "x-a: 1", "-H", "te: trailers", "-H", "host: other.test", *flags, *body)
    assert head.startswith("HTTP/2 200" if two else "HTTP/1.1 200 OK")
    assert f"x-origin: {origin}" in head
    assert ":authority: other.test" in echoed if origin == "h2" else "host: other.test" in echoed
    assert "x-a: 1" in echoed
    assert "te: trailers" in echoed
    assert "transfer-encoding: chunked" in echoed if origin == "h1" and body[:1] == ("-H",) else "transfer-encoding" not in echoed
    assert "connection:" not in echoed


def test_a_cluster_speaks_what_its_client_does(world: World) -> None:
    head, echoed = curl(world, "/same", "--http2-prior-knowledge")
    assert "x-origin: h2" in head
    assert ":method: GET" in echoed


def test_request_trailers_reach_an_h2_origin(world: World) -> None:
    request = wire.headers(1, wire.request_block(path=b"/two"), False) + wire.data(1, b"abc", False)
    frames, _ = talk(world.port, request, wire.headers(1, wire.block((b"sum", b"1"))))
    assert any(frame.kind == wire.HEADERS for frame in frames)
    wait_until(
        lambda: any(isinstance(each, TrailersReceived) and each.headers == ((b"sum", b"1"),) for each in world.origin.events),
        "trailers at the origin",
    )
