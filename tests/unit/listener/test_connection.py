"""One accepted connection: delayed close, write watermarks, a filter that breaks."""

from __future__ import annotations

import pytest

from tests.support.engine import Engine, get


def test_the_peer_may_close_before_the_delay_is_over() -> None:
    engine = Engine()
    client = engine.connect()
    client.send(b"garbage\r\n\r\n")
    assert not client.closed
    assert client.connection.eof_received() is False
    client.transport.close()
    engine.loop.advance(2)
    assert engine.counter("http.test.downstream_cx_delayed_close_timeout") == 0
    assert not client.transport.aborted


def test_reading_goes_on_during_the_delay_but_nobody_looks() -> None:
    engine = Engine()
    client = engine.connect()
    client.send(get(b"/", b"content-length: 9", method=b"POST"))
    engine.up.last.receiver.on_write_blocked()
    assert not client.transport.reading
    engine.up.last.respond()
    assert client.transport.reading
    client.send(get(b"/late"))
    assert len(engine.up.exchanges) == 1


def test_a_filter_that_breaks_costs_one_connection(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def decode_headers(self, headers: object, end_stream: bool, stream: object) -> None:
            raise RuntimeError("a bug")

    engine = Engine(filters=[Broken()])
    client = engine.connect()
    client.send(get())
    assert client.closed
    assert engine.counter("server.internal_error") == 1
    assert "a bug" in caplog.text
    assert engine.counter("http.test.downstream_rq_active") == 0


def test_its_facts_are_there_for_the_log() -> None:
    connection = Engine().connect().connection
    assert str(connection.downstream_remote_address) == "10.1.2.3:4711"
    assert connection.listener_name == "test"
    assert repr(connection) == "<Connection C1 10.1.2.3:4711 -> 127.0.0.1:80 open>"
