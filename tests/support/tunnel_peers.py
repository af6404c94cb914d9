"""Both ends of a tunnel: a host that grants what it is asked for, over HTTP/1.1, HTTP/2 or nothing, and a client that speaks HTTP/2.

What comes through a tunnel the host sends back in angle brackets; after its end it says `LAST` and ends, too.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dataplane.semantics.h2_options import Http2Options
from dataplane.semantics.h2_session import DataReceived, Event, H2Session, RequestReceived, ResponseReceived, StreamReset
from tests.support.h2_peers import H2Peer
from tests.support.tcp_peers import ThreadedPeer
from tests.support.waiting import PATIENCE

EXTENDED = Http2Options(allow_connect=True)


class Host(ThreadedPeer):
    """Serves each connection in a thread.  heads: of the requests, as text; plain: what came without one."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        super().__init__()


class PlainHost(Host):
    """Knows no HTTP."""

    def serve(self, connection: socket.socket) -> None:
        _echo(connection)


class H1Host(Host):
    """Grants upgrades and CONNECT, unless the target says `refuse`."""

    def serve(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            if not (data := connection.recv(65536)):
                return
            head += data
        head, _, rest = head.partition(b"\r\n\r\n")
        self.heads.append(head.decode())
        if b"refuse" in head.split(b"\r\n")[0]:
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")
            return
        if head.startswith(b"CONNECT"):
            connection.sendall(b"HTTP/1.1 200 OK\r\nx-host: h1\r\n\r\n")
        else:
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nx-host: h1\r\n\r\n"
            )
        _echo(connection, rest)


class H2Host(Host, H2Peer):
    """Grants every CONNECT, extended or not, and every POST, unless its path or authority says `refuse`."""

    options = EXTENDED

    def on_event(self, session: H2Session, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self.heads.append("\n".join(f"{name.decode()}: {value.decode()}" for name, value in event.headers))
            refused = "refuse" in self.heads[-1]
            status = b"403" if refused else b"200"
            session.send_response(event.stream_id, [(b":status", status), (b"x-host", b"h2")], end_stream=refused)
        elif isinstance(event, DataReceived):
            session.acknowledge(event.stream_id, len(event.data))
            if event.data:
                session.send_data(event.stream_id, b"<%b>" % event.data)
            if event.end_stream:
                session.send_data(event.stream_id, b"LAST", end_stream=True)


def _echo(connection: socket.socket, data: bytes = b"") -> None:
    while data or (data := connection.recv(65536)):
        connection.sendall(b"<%b>" % data)
        data = b""
    connection.sendall(b"LAST")


@dataclass
class H2Client:
    """One connection; `take` reads until something is there."""

    port: int
    responses: dict[int, dict[bytes, bytes]] = field(default_factory=dict)
    data: dict[int, bytes] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)
    resets: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        self._session = H2Session(Http2Options(), client=True, max_header_bytes=1 << 20, max_header_count=1000)
        self.settled = False
        self._flush()

    def close(self) -> None:
        self._socket.close()

    def connect(self, authority: bytes) -> int:
        return self._request([(b":method", b"CONNECT"), (b":authority", authority)])

    def upgrade(self, path: bytes, protocol: bytes = b"websocket") -> int:
        """An extended CONNECT; the peer's SETTINGS must have allowed it."""
        self.take(lambda: self.settled)
        return self._request(
            [
                (b":method", b"CONNECT"),
                (b":protocol", protocol),
                (b":scheme", b"http"),
                (b":path", path),
                (b":authority", b"a.test"),
            ]
        )

    def _request(self, fields: list[tuple[bytes, bytes]]) -> int:
        stream_id: int = self._session.send_request(fields)
        self._flush()
        return stream_id

    def send(self, stream_id: int, data: bytes, end: bool = False) -> None:
        self._session.send_data(stream_id, data, end_stream=end)
        self._flush()

    def reset(self, stream_id: int) -> None:
        self._session.reset_stream(stream_id, 8)
        self._flush()

    def take(self, condition: Callable[[], object]) -> None:
        """Read until *condition* holds."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"in vain; so far {self.responses} {self.data} {self.resets}"
            received = self._socket.recv(65536)
            assert received, f"the connection ended; so far {self.responses} {self.data} {self.resets}"
            for event in self._session.receive(received):
                self._on_event(event)
            self._flush()

    def take_status(self, stream_id: int) -> bytes:
        self.take(lambda: stream_id in self.responses)
        return self.responses[stream_id][b":status"]

    def take_data(self, stream_id: int, wanted: bytes) -> None:
        self.take(lambda: self.data.get(stream_id, b"") == wanted)

    def _on_event(self, event: Any) -> None:
        self.settled = True  # SETTINGS come first
        if isinstance(event, ResponseReceived):
            self.responses[event.stream_id] = dict(event.headers)
        elif isinstance(event, DataReceived):
            self.data[event.stream_id] = self.data.get(event.stream_id, b"") + event.data
            self._session.acknowledge(event.stream_id, len(event.data))
        elif isinstance(event, StreamReset):
            self.resets[event.stream_id] = event.error_code
        if getattr(event, "end_stream", False):
            self.ended.add(event.stream_id)

    def _flush(self) -> None:
        self._socket.sendall(self._session.take_output())


@contextlib.contextmanager
def h2_client(port: int) -> Iterator[H2Client]:
    client = H2Client(port)
    try:
        yield client
    finally:
        client.close()
