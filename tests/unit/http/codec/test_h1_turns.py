"""One HTTP/1.1 read that holds thousands of requests or chunks: what waits for the next pass of the loop, and what becomes of it."""

from __future__ import annotations

import pytest

from dataplane.base.reading_turns import CHUNKS_A_TURN, REQUESTS_A_TURN
from dataplane.routing.route import DirectResponse
from tests.support.engine import Client, Engine, get, route

CHUNKED = b"transfer-encoding: chunked"
MANY = 3 * REQUESTS_A_TURN + 7
CHUNKS = 2 * CHUNKS_A_TURN + 7


def answering() -> Engine:
    return Engine(routes=[route(b"/up"), route(action=DirectResponse(200, b"x"))])


def read(client: Client, data: bytes) -> None:
    """The client's bytes arrive, and the pass of the loop ends there."""
    client.connection.data_received(data)


def upload(chunks: int = CHUNKS) -> bytes:
    return get(b"/up", CHUNKED, method=b"POST") + b"1\r\na\r\n" * chunks


def test_more_requests_than_a_turn_takes_wait_for_the_next() -> None:
    engine = answering()
    client = engine.connect()
    read(client, get() * MANY)
    assert engine.counter("http.test.downstream_rq_total") == REQUESTS_A_TURN
    assert not client.transport.reading
    assert client.take().count(b"HTTP/1.1 200 OK") == MANY
    assert client.transport.reading
    client.send(get())
    assert client.take().count(b"HTTP/1.1 200 OK") == 1


def test_a_turn_that_ends_with_its_bytes_leaves_nothing() -> None:
    engine = answering()
    client = engine.connect()
    read(client, get() * REQUESTS_A_TURN)
    assert client.transport.reading
    assert client.take().count(b"HTTP/1.1 200 OK") == REQUESTS_A_TURN


def test_what_comes_while_a_turn_is_awaited_comes_behind() -> None:
    engine = answering()
    client = engine.connect()
    read(client, get() * MANY)
    read(client, get(b"/up")[:9])
    read(client, get(b"/up")[9:])
    assert client.take().count(b"HTTP/1.1 200 OK") == MANY
    assert engine.up.last.headers is not None
    assert engine.up.last.headers.path == b"/up"


def test_a_mistake_of_the_client_in_a_later_turn_is_answered_in_its_order() -> None:
    engine = answering()
    client = engine.connect()
    read(client, get() * MANY + b"\x01\r\n\r\n")
    received = client.take()
    assert received.count(b"HTTP/1.1 200 OK") == MANY
    assert b"HTTP/1.1 400 Bad Request" in received.rpartition(b"HTTP/1.1 200 OK")[2]
    assert engine.counter("http.test.downstream_cx_protocol_error") == 1


def test_requests_that_wait_go_with_their_client() -> None:
    engine = answering()
    client = engine.connect()
    read(client, get() * MANY)
    client.transport.close()
    engine.loop.run_soon()
    assert engine.counter("http.test.downstream_rq_total") == REQUESTS_A_TURN
    assert engine.counter("http.test.downstream_rq_active") == 0


def test_requests_sent_ahead_go_with_their_client() -> None:
    engine = Engine()
    client = engine.connect()
    client.send(get(b"/1") + get(b"/2"))
    client.transport.close()
    engine.loop.run_soon()
    assert len(engine.up.exchanges) == 1
    assert engine.counter("http.test.downstream_rq_active") == 0


def test_a_connection_whose_requests_wait_is_not_idle() -> None:
    engine = answering()
    client = engine.connect()
    read(client, get() * MANY)
    assert client.connection.filter is not None
    client.connection.filter.close_if_idle()
    assert not client.closed
    assert client.take().count(b"HTTP/1.1 200 OK") == MANY


def test_a_mistake_of_ours_in_a_later_turn_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = answering()
    client = engine.connect()
    read(client, get() * MANY)
    monkeypatch.setattr(DirectResponse, "status", property(lambda self: 1 // 0))
    with pytest.raises(ZeroDivisionError):
        engine.loop.run_soon()
    assert client.transport.aborted


def test_more_chunks_than_a_turn_takes_wait_for_the_next() -> None:
    engine = answering()
    client = engine.connect()
    read(client, upload() + b"0\r\n\r\n" + get(b"/up/next"))
    assert engine.up.last.body == b"a" * CHUNKS_A_TURN
    assert not client.transport.reading
    engine.loop.run_soon()
    assert engine.up.last.body == b"a" * CHUNKS
    assert engine.up.last.ended
    assert client.transport.reading
    engine.up.last.respond()
    assert engine.up.last.headers is not None
    assert engine.up.last.headers.path == b"/up/next"


@pytest.mark.parametrize("size", [1, 5, 6, 4096])
def test_any_split_of_many_chunks_gives_one_body(size: int) -> None:
    engine = answering()
    client = engine.connect()
    data = upload() + b"0\r\n\r\n"
    for at in range(0, len(data), size * 1000):
        read(client, data[at : at + size * 1000])
    engine.loop.run_soon()
    assert engine.up.last.body == b"a" * CHUNKS
    assert engine.up.last.ended


def test_chunks_that_wait_are_not_read_once_their_request_is_given_up() -> None:
    engine = answering()
    client = engine.connect()
    read(client, upload())
    engine.up.last.respond(503, b"")
    engine.loop.run_soon()
    assert engine.up.last.body == b"a" * CHUNKS_A_TURN
    assert client.transport.reading
    assert client.take().startswith(b"HTTP/1.1 503")


def test_a_broken_chunk_in_a_later_turn_ends_the_request() -> None:
    engine = answering()
    client = engine.connect()
    read(client, upload() + b"zz\r\n")
    engine.loop.run_soon()
    assert engine.up.last.was_reset
    assert client.take().startswith(b"HTTP/1.1 400 Bad Request")
