"""Frames of HTTP/2 mean the same however their bytes are split; whatever frames a peer makes up, nothing breaks and nothing is left."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dataplane.semantics.h2_options import DEFAULT_HTTP2
from dataplane.semantics.h2_session import DataReceived, GoAwayReceived, H2Session
from tests.support import h2_frames as wire
from tests.support.engine import Engine
from tests.support.fuzzing import fuzzed
from tests.support.upstream_h2_wire import H2Wire
from tests.support.upstream_wire import Recorder

STREAMS = st.sampled_from([0, 1, 1, 1, 3, 3, 5, 2, 7])
HEADS = st.sampled_from(
    [
        wire.request_block(),
        wire.request_block((b"content-length", b"3")),
        wire.request_block((b"a", b"b\r\n")),
        wire.block((b":status", b"200")),
        wire.block((b":status", b"103")),
        wire.block((b"sum", b"1")),
        b"\xff\xff\xff\xff\x0f",
        b"",
    ]
)
FRAMES = st.one_of(
    st.builds(wire.headers, STREAMS, HEADS, st.booleans()),
    st.builds(wire.data, STREAMS, st.binary(max_size=9), st.booleans()),
    st.builds(wire.reset, STREAMS, st.integers(0, 14)),
    st.builds(wire.window_update, STREAMS, st.sampled_from([0, 1, 1 << 20, 0x7FFFFFFF])),
    st.builds(wire.goaway, STREAMS, st.integers(0, 3)),
    st.just(wire.settings()),
    st.just(wire.settings(window=0, streams=1)),
    st.just(wire.frame(wire.SETTINGS, wire.ACK)),
    st.just(wire.frame(wire.PING, payload=bytes(8))),
    st.builds(wire.frame, st.integers(0, 12), st.integers(0, 255), STREAMS, st.binary(max_size=12)),
)
TALK = st.lists(FRAMES, max_size=12).map(b"".join) | st.binary(max_size=60)
CUTS = st.lists(st.integers(0, 400), max_size=12)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted({min(cut, len(data)) for cut in cuts} - {0, len(data)}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if end > start]


def reading(pieces: list[bytes]) -> tuple[list[object], dict[int, bytes], bool]:
    """The events in their order, but for pieces of bodies, which are put together; and whether the session broke.

    A GOAWAY without open streams ends a session: whether what the same read brings behind it is still told is of no importance.
    """
    session = H2Session(DEFAULT_HTTP2, client=False, max_header_bytes=60 * 1024, max_header_count=100)
    events: list[Any] = []
    for piece in pieces:
        events += session.receive(piece)
        if session.error:
            break
    bodies: dict[int, bytes] = {}
    others: list[object] = []
    for event in events:
        if type(event) is GoAwayReceived:
            return others, bodies, False
        if type(event) is DataReceived:
            bodies[event.stream_id] = bodies.get(event.stream_id, b"") + event.data
            if not event.end_stream:
                continue
            others.append(("end", event.stream_id))
        else:
            others.append(repr(event))
    return others, bodies, bool(session.error)


@given(TALK, CUTS)
@fuzzed(300)
def test_any_split_of_frames_means_the_same(talk: bytes, cuts: list[int]) -> None:
    talk = wire.PREFACE + wire.settings() + talk
    assert reading(split(talk, cuts)) == reading([talk])


@given(TALK, CUTS)
@fuzzed(250)
def test_no_frames_of_a_client_break_a_connection_manager(talk: bytes, cuts: list[int]) -> None:
    engine = Engine()
    client = engine.connect()
    client.send(wire.PREFACE, *split(wire.settings() + talk, cuts))
    for exchange in engine.up.exchanges:
        if not exchange.was_reset:
            exchange.respond(200, b"ok")
    client.send_eof()
    engine.loop.advance(2)
    assert client.closed
    assert engine.counter("http.test.downstream_rq_active") == 0
    assert engine.counter("http2.streams_active") == 0
    assert "server.internal_error" not in engine.stats.counters


class Ended(Recorder):
    """Bodies are bytes here."""

    def on_data(self, data: bytes, end_stream: bool) -> None:
        self.events.append(f"data{' end' if end_stream else ''}")


@given(TALK, CUTS)
@fuzzed(250)
def test_no_frames_of_a_host_break_a_pool(talk: bytes, cuts: list[int]) -> None:
    hosts = H2Wire()
    requests = [Ended(), Ended()]
    for request in requests:
        hosts.ask(request)
    peer = hosts.peers[-1].accept()
    hosts.run()
    for piece in split(wire.settings() + talk, cuts):
        peer.send(piece)
        hosts.run()
    if not peer.closed:
        peer.finish()
    for request in requests:
        assert sum("end" in event or "reset" in event or "trailers" in event for event in request.events) == 1, request.events
    assert hosts.counted().get("upstream_rq_active", 0) == 0
