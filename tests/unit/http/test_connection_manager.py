"""What is left in memory of connections that are gone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dataplane.http.codec.h1 import Http1Codec
from dataplane.http.codec.h2 import Http2Codec
from dataplane.http.codec.h2_stream import Http2Stream
from dataplane.http.connection_manager import HttpConnection
from dataplane.http.stream import Stream
from dataplane.listener.connection import Connection
from tests.support import h2_frames as wire
from tests.support.collector import living, no_collector
from tests.support.engine import Engine, get

KINDS = (Connection, HttpConnection, Http1Codec, Http2Codec, Http2Stream, Stream)
HALF = get(b"/", b"content-length: 10", method=b"POST") + b"half"
HELLO = wire.PREFACE + wire.settings()


def says_nothing(engine: Engine) -> None:
    engine.connect().send_eof()


def is_answered(engine: Engine) -> None:
    client = engine.connect()
    client.send(get())
    engine.up.last.respond(200, b"ok")
    client.send_eof()


def leaves_amid_a_head(engine: Engine) -> None:
    client = engine.connect()
    client.send(b"GET / HT")
    client.send_eof()


def leaves_amid_a_body(engine: Engine) -> None:
    client = engine.connect()
    client.send(HALF)
    client.send_eof()


def asks_ahead(engine: Engine) -> None:
    client = engine.connect()
    client.send(get() * 3)
    client.send_eof()


def is_refused(engine: Engine) -> None:
    client = engine.connect()
    client.send(b"nonsense\r\n\r\n")
    client.send_eof()


def is_idle_too_long(engine: Engine) -> None:
    engine.connect()
    engine.loop.advance(4000)


def is_answered_over_h2(engine: Engine) -> None:
    client = engine.connect()
    client.send(HELLO + wire.headers(1, wire.request_block()))
    engine.up.last.respond(200, b"ok")
    client.send_eof()


def leaves_h2_streams_open(engine: Engine) -> None:
    client = engine.connect()
    client.send(HELLO + wire.headers(1, wire.request_block(), False) + wire.headers(3, wire.request_block()))
    client.send_eof()


def breaks_h2(engine: Engine) -> None:
    client = engine.connect()
    client.send(HELLO + wire.headers(1, wire.request_block()) + wire.data(7, b"x"))
    client.send_eof()


@pytest.mark.parametrize(
    "visit",
    [
        says_nothing,
        is_answered,
        leaves_amid_a_head,
        leaves_amid_a_body,
        asks_ahead,
        is_refused,
        is_idle_too_long,
        is_answered_over_h2,
        leaves_h2_streams_open,
        breaks_h2,
    ],
    ids=lambda visit: visit.__name__,
)
def test_a_client_that_is_gone_leaves_nothing_to_the_collector(visit: Callable[[Engine], None]) -> None:
    engine = Engine()
    with no_collector():
        visit(engine)
        engine.loop.advance(2)
        engine.loop.run_soon()
        engine.log.entries.clear()
        engine.up.exchanges.clear()
        assert living(*KINDS) == []
