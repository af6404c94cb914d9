"""HTTP/2 clients of a scripted engine: one that keeps the rules, and one that sends what it likes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dataplane.semantics import h2_session
from dataplane.semantics.h2_options import DEFAULT_HTTP2, Http2Options
from dataplane.semantics.h2_session import H2Session
from tests.support import h2_frames as wire
from tests.support.engine import Client, Engine

Field = tuple[bytes, bytes]

REQUEST: tuple[Field, ...] = ((b":method", b"GET"), (b":path", b"/"), (b":scheme", b"http"), (b":authority", b"h.test"))
GREETING = wire.PREFACE + wire.settings()


class Peer:
    """A client that keeps the rules."""

    def __init__(self, engine: Engine, options: Http2Options = DEFAULT_HTTP2) -> None:
        self.client = engine.connect()
        self.session = H2Session(options, client=True, max_header_bytes=1 << 20, max_header_count=1000)
        self.events: list[Any] = []

    def ask(self, *fields: Field, body: bytes | None = None, end_stream: bool = True) -> int:
        stream_id = self.session.send_request((*REQUEST, *fields), end_stream=body is None and end_stream)
        if body is not None:
            self.session.send_data(stream_id, body, end_stream=end_stream)
        self.pump()
        return stream_id

    def pump(self) -> list[Any]:
        """Carry bytes both ways until nobody has any.  Returns the new events."""
        new: list[Any] = []
        while True:
            output = self.session.take_output()
            if output:
                self.client.send(output)
            received = self.client.take()
            if not output and not received:
                self.events += new
                return new
            new += self.session.receive(received)

    def answer(self, stream_id: int) -> tuple[int, dict[bytes, bytes], bytes]:
        self.pump()
        events = [event for event in self.events if getattr(event, "stream_id", None) == stream_id]
        (head,) = [event for event in events if type(event) is h2_session.ResponseReceived]
        body = b"".join(event.data for event in events if type(event) is h2_session.DataReceived)
        fields = dict(head.headers)
        return int(fields.pop(b":status")), fields, body

    def kinds(self, stream_id: int) -> list[str]:
        return [type(event).__name__ for event in self.events if getattr(event, "stream_id", None) == stream_id]


def raw(engine: Engine, *pieces: bytes) -> tuple[Client, list[wire.Frame]]:
    """A client that sends what it likes; the frames it got after the greeting."""
    client = engine.connect()
    client.send(GREETING, *pieces)
    greeting = (wire.SETTINGS, wire.WINDOW_UPDATE)
    return client, [frame for frame in wire.split(client.take()) if frame.kind not in greeting or frame.stream_id]


def short(frames: Sequence[wire.Frame]) -> list[tuple[int, int, int]]:
    return [(frame.kind, frame.stream_id, frame.number) for frame in frames]
