"""What clients do wrong on HTTP/2, by accident or on purpose: which stream or connection it costs, and how it is counted."""

from __future__ import annotations

import pytest

from dataplane.http.config import UnderscoresAction
from dataplane.observe import flags
from dataplane.semantics import h2_session
from dataplane.semantics.h2_options import Http2Options
from tests.support import h2_frames as wire
from tests.support.downstream_h2 import GREETING, REQUEST, Field, raw, short
from tests.support.engine import Engine

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


@pytest.mark.parametrize("body", [b"abc", b"abcdefg"], ids=["short", "long"])
def test_a_body_of_another_length_than_announced_costs_its_stream_alone(body: bytes) -> None:
    engine = Engine()
    client, frames = raw(engine, wire.headers(1, wire.request_block((b"content-length", b"5")), False) + wire.data(1, body))
    assert engine.up.last.was_reset
    assert engine.log.last.response_code_details == "http2.remote_reset"
    assert engine.log.last.response_flags == flags.DOWNSTREAM_PROTOCOL_ERROR
    assert short(frames) == [(wire.RST_STREAM, 1, h2_session.PROTOCOL_ERROR)]
    client.send(wire.headers(3, wire.request_block()))
    engine.up.last.respond(200, b"")
    assert [frame.kind for frame in wire.split(client.take())] == [wire.HEADERS]


def test_a_body_of_another_length_costs_nothing_more_where_its_stream_is_answered_already() -> None:
    engine = Engine()
    engine.up.healthy = False
    client, frames = raw(engine, wire.headers(1, wire.request_block((b"content-length", b"5")), False) + wire.data(1, b"abc"))
    assert short(frames) == [(wire.RST_STREAM, 1, h2_session.PROTOCOL_ERROR)]
    assert [each.response_code for each in engine.log.entries] == [503]
    engine.up.healthy = True
    client.send(wire.headers(3, wire.request_block()))
    engine.up.last.respond(200, b"")
    assert [frame.kind for frame in wire.split(client.take())] == [wire.HEADERS]


def test_broken_trailers_end_the_connection() -> None:
    engine = Engine()
    raw(engine, wire.headers(1, wire.request_block(), False) + wire.headers(1, wire.block((b":path", b"/b"))))
    assert engine.up.last.was_reset
    assert engine.log.last.response_code_details == "http2.violation.of.messaging.rule"
    assert engine.counter("http.test.downstream_cx_protocol_error") == 1


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
