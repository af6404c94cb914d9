"""HTTP/2 towards downstream as a dialogue: frames in, frames out, with a scripted upstream behind a real router."""

from __future__ import annotations

import pytest

from dataplane.api.upstream import StreamReset
from dataplane.http.config import CodecType
from dataplane.semantics import h2_session
from dataplane.semantics.h2_options import Http2Options
from dataplane.semantics.header_map import HeaderMap, ResponseHeaders
from tests.support import h2_frames as wire
from tests.support.downstream_h2 import GREETING, REQUEST, Peer, short
from tests.support.engine import Engine, get

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


def test_a_client_that_wants_no_more_of_a_response_keeps_its_connection() -> None:
    engine = Engine()
    peer = Peer(engine, Http2Options(initial_stream_window_size=65535))
    stream = peer.ask()
    engine.up.last.respond(200, b"x" * 100_000)
    peer.pump()
    peer.session.reset_stream(stream, h2_session.CANCEL)
    other = peer.ask()
    engine.up.last.respond(200, b"ok")
    assert peer.answer(other)[2] == b"ok"
    assert engine.counter("http2.rx_reset") == 1
    assert engine.counter("http.test.downstream_cx_protocol_error") == 0
