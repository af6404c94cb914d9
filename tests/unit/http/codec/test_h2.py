"""HTTP/2 towards downstream as a dialogue: frames in, frames out, with a scripted upstream behind a real router."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from dataplane.api.upstream import StreamReset
from dataplane.http.config import CodecType, UnderscoresAction
from dataplane.observe import flags
from dataplane.semantics import h2_session
from dataplane.semantics.h2_options import DEFAULT_HTTP2, Http2Options, KeepaliveSettings
from dataplane.semantics.h2_session import H2Session
from dataplane.semantics.header_map import HeaderMap, ResponseHeaders
from tests.support import h2_frames as wire
from tests.support.engine import Client, Engine, get

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


# -- which protocol -----------------------------------------------------------------------------------------------------


def test_auto_goes_by_the_preface() -> None:
    engine = Engine()
    peer = Peer(engine)
    peer.ask()
    engine.up.last.respond(200, b"two")
    assert peer.answer(1)[2] == b"two"
    other = engine.connect()
    other.send(get())
    engine.up.last.respond(200, b"one")
    assert other.take().startswith(b"HTTP/1.1 200 OK")
    assert engine.counter("http.test.downstream_cx_http2_total") == 1
    assert engine.counter("http.test.downstream_rq_http2_total") == 1
    assert engine.counter("http.test.downstream_rq_http1_total") == 1


def test_a_codec_type_is_the_last_word() -> None:
    one = Engine(settings={"codec_type": CodecType.HTTP1}).connect()
    one.send(wire.PREFACE)
    assert one.take().startswith(b"HTTP/1.1 400")
    engine = Engine(settings={"codec_type": CodecType.HTTP2})
    engine.connect().send(get())
    assert engine.counter("http.test.downstream_cx_protocol_error") == 1
    assert engine.up.exchanges == []


def test_the_negotiated_protocol_goes_before_the_bytes() -> None:
    engine = Engine()
    client = engine.connect()
    client.connection.negotiated_protocol = "http/1.1"
    client.send(wire.PREFACE)
    assert client.take().startswith(b"HTTP/1.1 400")


def test_the_greeting_is_envoys() -> None:
    engine = Engine()
    client = engine.connect()
    client.send(GREETING)
    first, *rest = wire.split(client.take())
    assert first == (wire.SETTINGS, 0, 0, bytes.fromhex("000100001000 000800000000 000300000400 000401000000"))
    assert (wire.WINDOW_UPDATE, 0, (24 << 20) - 65535) in short(rest)


# -- requests and responses ---------------------------------------------------------------------------------------------


def test_a_request_reaches_the_upstream_in_our_form() -> None:
    engine = Engine()
    peer = Peer(engine)
    peer.ask((b"cookie", b"a=1"), (b"te", b"trailers"), (b"cookie", b"b=2"), body=b"hello")
    exchange = engine.up.last
    assert exchange.headers is not None
    assert (exchange.headers.method, exchange.headers.path, exchange.headers.authority) == (b"GET", b"/", b"h.test")
    assert exchange.fields[:2] == [(b"cookie", b"a=1; b=2"), (b"te", b"trailers")]
    assert (exchange.body, exchange.ended) == (b"hello", True)


def test_host_stands_in_for_authority_only_where_that_is_missing() -> None:
    engine = Engine()
    client = engine.connect()
    client.send(
        GREETING,
        wire.headers(1, wire.block(*REQUEST[:3], (b"host", b"other"))),
        wire.headers(3, wire.request_block((b"host", b"x"))),
    )
    assert [each.headers and each.headers.authority for each in engine.up.exchanges] == [b"other", b"h.test"]
    assert all(each.field(b"host") is None for each in engine.up.exchanges)
    assert not client.closed


def test_responses_come_in_any_order_with_trailers_and_without() -> None:
    engine = Engine()
    peer = Peer(engine)
    first, second = peer.ask(), peer.ask()
    one, two = engine.up.exchanges
    two.receiver.on_headers(ResponseHeaders(200, [(b"content-type", b"application/grpc")]), False)
    two.receiver.on_data(b"message", False)
    two.receiver.on_trailers(HeaderMap([(b"grpc-status", b"0")]))
    one.respond(404, b"", (b"connection", b"close"))
    assert peer.answer(second)[2] == b"message"
    assert peer.kinds(second)[-2:] == ["TrailersReceived", "StreamClosed"]
    status, fields, _ = peer.answer(first)
    assert status == 404
    assert b"connection" not in fields
    assert [info.protocol for info in engine.log.entries] == ["HTTP/2", "HTTP/2"]


def test_a_lone_head_ends_its_stream() -> None:
    engine = Engine()
    peer = Peer(engine)
    stream = peer.ask()
    engine.up.last.receiver.on_headers(ResponseHeaders(204), True)
    peer.pump()
    assert peer.kinds(stream) == ["ResponseReceived", "StreamClosed"]


def test_request_trailers_go_on() -> None:
    engine = Engine()
    peer = Peer(engine)
    stream = peer.ask(body=b"part", end_stream=False)
    peer.session.send_trailers(stream, [(b"checksum", b"1")])
    peer.pump()
    assert engine.up.last.trailers is not None
    assert engine.up.last.trailers.fields == [(b"checksum", b"1")]
    assert engine.counter("http2.trailers") == 1


def test_expect_is_answered_with_100() -> None:
    engine = Engine()
    peer = Peer(engine)
    stream = peer.ask((b"expect", b"100-continue"), end_stream=False)
    assert peer.kinds(stream) == ["InformationalResponseReceived"]


def test_an_early_answer_goes_out_whole_before_the_request_is_cut_off() -> None:
    engine = Engine()
    peer = Peer(engine)
    stream = peer.ask(body=b"begin", end_stream=False)
    engine.up.last.respond(413, b"too much")
    assert peer.answer(stream)[::2] == (413, b"too much")
    resets = [event.error_code for event in peer.events if type(event) is h2_session.StreamReset]
    assert resets == [h2_session.NO_ERROR]
    assert not peer.client.closed


def test_a_response_that_breaks_off_is_reset() -> None:
    engine = Engine()
    peer = Peer(engine)
    stream = peer.ask()
    exchange = engine.up.last
    exchange.receiver.on_headers(ResponseHeaders(200), False)
    exchange.receiver.on_data(b"part", False)
    exchange.fail(StreamReset.PROTOCOL_ERROR)
    peer.pump()
    assert [event.error_code for event in peer.events if type(event) is h2_session.StreamReset] == [h2_session.INTERNAL_ERROR]
    assert peer.kinds(stream)[0] == "ResponseReceived"
    assert engine.counter("http2.tx_reset") == 1


# -- mistakes -----------------------------------------------------------------------------------------------------------

BROKEN_HEADS = {
    "connection": wire.request_block((b"connection", b"close")),
    "transfer-encoding": wire.request_block((b"transfer-encoding", b"chunked")),
    "te": wire.request_block((b"te", b"gzip")),
    "upper case": wire.request_block((b"Foo", b"x")),
    "line break": wire.request_block((b"foo", b"x\r\nbar: y")),
    "nul": wire.request_block((b"foo", b"x\0y")),
    "pseudo after": wire.block(*REQUEST[:2], (b"a", b"b"), *REQUEST[2:]),
    "twice": wire.request_block((b":path", b"/x")),
    "unknown pseudo": wire.block(*REQUEST, (b":foo", b"/x")),
    "no path": wire.block(REQUEST[0], *REQUEST[2:]),
    "no scheme": wire.block(*REQUEST[:2], REQUEST[3]),
    "authority": wire.request_block(host=b"a b"),
    "path": wire.request_block(path=b"/a b"),
    "relative path": wire.request_block(path=b"a"),
    "method": wire.request_block(method=b"FO O"),
    "protocol": wire.block((b":method", b"CONNECT"), *REQUEST[1:], (b":protocol", b"websocket")),
}


@pytest.mark.parametrize("head", BROKEN_HEADS.values(), ids=BROKEN_HEADS)
def test_a_broken_head_ends_the_connection(head: bytes) -> None:
    engine = Engine()
    client, frames = raw(engine, wire.headers(1, head))
    assert frames[-1].kind == wire.GOAWAY
    assert frames[-1].number == h2_session.PROTOCOL_ERROR
    assert engine.up.exchanges == []
    assert engine.log.last.response_flags == flags.DOWNSTREAM_PROTOCOL_ERROR
    assert engine.log.last.response_code_details == "http2.invalid.header.field"
    assert engine.counter("http.test.downstream_cx_protocol_error") == 1
    assert engine.counter("http2.rx_messaging_error") == 1
    engine.loop.advance(1.1)
    assert client.closed


@pytest.mark.parametrize("head", BROKEN_HEADS.values(), ids=BROKEN_HEADS)
def test_a_broken_head_costs_its_stream_where_that_is_configured(head: bytes) -> None:
    engine = Engine(settings={"http2": Http2Options(stream_error_on_invalid_message=True)})
    client, frames = raw(engine, wire.headers(1, wire.request_block()), wire.headers(3, head))
    assert short(frames) == [(wire.RST_STREAM, 3, h2_session.PROTOCOL_ERROR)]
    engine.up.last.respond(200, b"")
    assert [frame.kind for frame in wire.split(client.take())] == [wire.HEADERS]


def test_a_body_of_another_length_than_announced() -> None:
    engine = Engine()
    raw(engine, wire.headers(1, wire.request_block((b"content-length", b"5")), False) + wire.data(1, b"abc"))
    assert engine.up.last.was_reset
    assert engine.log.last.response_code_details == "http2.violation.of.messaging.rule"


@pytest.mark.parametrize(
    ("fields", "details", "stat"),
    [
        ([(b"a%d" % number, b"1") for number in range(97)], "http2.too_many_headers", "header_overflow"),
        ([(b"a", b"x" * 61_500)], "http2.header_list_size_too_large", "header_list_size_too_large"),
    ],
)
def test_a_head_over_a_limit_costs_its_stream(fields: list[Field], details: str, stat: str) -> None:
    engine = Engine()
    client, frames = raw(engine, wire.headers(1, wire.request_block(*fields)))
    assert short(frames) == [(wire.RST_STREAM, 1, h2_session.INTERNAL_ERROR)]
    assert engine.log.last.response_flags == flags.DOWNSTREAM_REMOTE_RESET
    assert engine.log.last.response_code_details == details
    assert engine.counter(f"http2.{stat}") == 1
    assert not client.closed


def test_underscores_are_judged() -> None:
    engine = Engine(settings={"headers_with_underscores_action": UnderscoresAction.REJECT_REQUEST})
    _, frames = raw(engine, wire.headers(1, wire.request_block((b"a_b", b"1"))))
    assert frames[-1].kind == wire.GOAWAY
    assert engine.log.last.response_code_details == "http2.unexpected_underscore"


def test_what_is_no_frame_ends_the_connection_with_a_reason() -> None:
    engine = Engine()
    _, frames = raw(engine, wire.frame(wire.WINDOW_UPDATE, 0, 0, bytes(4)))
    assert short(frames) == [(wire.GOAWAY, 0, h2_session.PROTOCOL_ERROR)]


# -- floods -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flood", "stat"),
    [
        (wire.frame(wire.PING, 0, 0, bytes(8)) * 3000, "http2.outbound_control_flood"),
        (wire.settings() * 3000, "http2.outbound_control_flood"),
        (wire.headers(1, wire.request_block(), False) + wire.data(1, b"", False) * 3, "http2.inbound_empty_frames_flood"),
        (
            wire.headers(1, wire.request_block(), False) + wire.window_update(1, 1) * 20,
            "http2.inbound_window_update_frames_flood",
        ),
    ],
)
def test_floods_end_the_connection(flood: bytes, stat: str) -> None:
    engine = Engine()
    client, _ = raw(engine, flood)
    assert engine.counter(stat) == 1
    assert engine.counter("http.test.downstream_cx_protocol_error") == 1
    engine.loop.advance(1.1)
    assert client.closed


def test_rapid_resets_end_the_connection() -> None:
    engine = Engine()
    client = engine.connect()
    client.send(GREETING)
    for number in range(300):
        client.send(wire.headers(2 * number + 1, wire.request_block()) + wire.reset(2 * number + 1))
    assert engine.counter("http.test.downstream_rq_too_many_premature_resets") == 1
    assert len(engine.up.exchanges) == 250
    assert all(exchange.was_reset for exchange in engine.up.exchanges)
    assert engine.counter("http.test.downstream_rq_active") == 0


def test_a_reset_in_the_read_of_its_request_finds_the_stream_answered() -> None:
    engine = Engine()
    engine.up.healthy = False
    client, frames = raw(engine, wire.headers(1, wire.request_block()) + wire.reset(1))
    assert [frame for frame in frames if frame.stream_id] == []
    assert engine.counter("http.test.downstream_rq_active") == 0
    assert not client.closed


# -- pace ---------------------------------------------------------------------------------------------------------------


def test_windows_open_only_for_what_was_taken() -> None:
    options = Http2Options(initial_stream_window_size=65535, initial_connection_window_size=65535)
    engine = Engine(settings={"http2": options})
    peer = Peer(engine)
    stream = peer.ask(body=b"", end_stream=False)
    exchange = engine.up.last
    exchange.receiver.on_write_blocked()
    peer.session.send_data(stream, b"x" * 100_000, end_stream=True)
    peer.pump()
    assert len(exchange.body) == 65535
    exchange.receiver.on_write_ready()
    peer.pump()
    assert len(exchange.body) == 100_000
    assert exchange.ended


def test_a_slow_reader_of_one_stream_holds_up_that_stream_only() -> None:
    engine = Engine(listener_settings={"per_connection_buffer_limit": 100_000})
    peer = Peer(engine, Http2Options(initial_stream_window_size=65535))
    slow, quick = peer.ask(), peer.ask()
    one, two = engine.up.exchanges
    one.receiver.on_headers(ResponseHeaders(200), False)
    for _ in range(10):
        one.receiver.on_data(b"x" * 30_000, False)
        peer.pump()
    assert one.paused == 1
    two.respond(200, b"here")
    assert peer.answer(quick)[2] == b"here"
    size = len(peer.answer(slow)[2])
    peer.session.acknowledge(slow, size)
    for _ in range(10):
        new = sum(len(event.data) for event in peer.pump() if type(event) is h2_session.DataReceived)
        peer.session.acknowledge(slow, new)
    assert one.paused == 0
    one.receiver.on_data(b"", True)
    assert len(peer.answer(slow)[2]) == 300_000


@pytest.mark.parametrize("times", [{"stream_idle_timeout": 5.0}, {"stream_idle_timeout": 0.0, "stream_flush_timeout": 5.0}])
def test_a_response_nobody_takes_is_given_up(times: dict[str, float]) -> None:
    engine = Engine(settings=times)
    peer = Peer(engine, Http2Options(initial_stream_window_size=65535))
    stream = peer.ask()
    engine.up.last.respond(200, b"x" * 100_000)
    peer.pump()
    engine.loop.advance(11)
    peer.pump()
    assert engine.counter("http2.tx_flush_timeout") == 1
    assert peer.kinds(stream)[-2:] == ["StreamReset", "StreamClosed"]


# -- the end of connections ---------------------------------------------------------------------------------------------


class Drain:
    by_overload = False

    def should_close(self, now: float) -> bool:
        return True


def test_a_drain_announces_itself_and_lets_streams_end() -> None:
    engine = Engine(settings={"drain_timeout": 5.0})
    peer = Peer(engine)
    first, second = peer.ask(), peer.ask()
    peer.client.connection.drain = Drain()
    engine.up.exchanges[0].respond(200, b"one")
    peer.pump()
    notices = [event.last_stream_id for event in peer.events if type(event) is h2_session.GoAwayReceived]
    assert notices == [2**31 - 1]
    engine.loop.advance(5.1)
    peer.pump()
    assert not peer.client.closed
    engine.up.exchanges[1].respond(200, b"two")
    assert peer.answer(first)[2] + peer.answer(second)[2] == b"onetwo"
    assert [event.last_stream_id for event in peer.events if type(event) is h2_session.GoAwayReceived] == [2**31 - 1, second]
    engine.loop.advance(1.1)
    assert peer.client.closed
    assert engine.counter("http.test.downstream_cx_drain_close") == 1


def test_an_idle_connection_drains() -> None:
    engine = Engine(settings={"idle_timeout": 10.0, "drain_timeout": 2.0})
    peer = Peer(engine)
    peer.ask()
    engine.up.last.respond(200, b"one")
    peer.pump()
    engine.loop.advance(10.1)
    peer.pump()
    assert [event.last_stream_id for event in peer.events if type(event) is h2_session.GoAwayReceived] == [2**31 - 1]
    engine.loop.advance(3.2)
    assert peer.client.closed
    assert engine.counter("http.test.downstream_cx_idle_timeout") == 1


def test_max_requests_per_connection_sends_the_client_away() -> None:
    engine = Engine(settings={"max_requests_per_connection": 2})
    peer = Peer(engine)
    peer.ask()
    assert not [event for event in peer.events if type(event) is h2_session.GoAwayReceived]
    peer.ask()
    assert [event for event in peer.events if type(event) is h2_session.GoAwayReceived]
    assert engine.counter("http.test.downstream_cx_max_requests_reached") == 1


def test_a_lost_connection_ends_all_streams() -> None:
    engine = Engine()
    peer = Peer(engine)
    peer.ask()
    peer.ask()
    peer.client.send_eof()
    assert [exchange.was_reset for exchange in engine.up.exchanges] == [True, True]
    assert {info.response_flags for info in engine.log.entries} == {flags.DOWNSTREAM_CONNECTION_TERMINATION}
    assert engine.counter("http.test.downstream_rq_active") == 0
    assert engine.counter("http2.streams_active") == 0


def test_a_client_that_answers_no_ping_is_dropped() -> None:
    keepalive = KeepaliveSettings(interval=10.0, timeout=2.0, jitter=0.0)
    engine = Engine(settings={"http2": Http2Options(keepalive=keepalive)})
    client = engine.connect()
    client.send(GREETING)
    client.take()
    engine.loop.advance(10.1)
    (ping,) = wire.split(client.take())
    assert ping.kind == wire.PING
    client.send(wire.frame(wire.PING, wire.ACK, 0, ping.payload))
    engine.loop.advance(10.1)
    assert not client.closed
    engine.loop.advance(2.1)
    assert client.closed
    assert engine.counter("http2.keepalive_timeout") == 1
