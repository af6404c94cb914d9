"""One exchange at a time on an HTTP/1.1 connection: bytes in, events out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dataplane.base.write_queue import WriteQueue
from dataplane.semantics.header_map import HeaderMap, RequestHeaders
from tests.support.upstream_wire import OK, Recorder, Wire, get, post

# ---- requests


def test_a_head_is_written_in_the_order_of_its_fields() -> None:
    wire = Wire()
    wire.ask(Recorder(get(b"/x?y", [(b"accept", b"*/*"), (b"x-a", b""), (b"x-a", b"2")])))
    assert wire.peers[0].accept().take() == b"GET /x?y HTTP/1.1\r\nhost: a.test\r\naccept: */*\r\nx-a: \r\nx-a: 2\r\n\r\n"


def test_a_head_without_fields() -> None:
    wire = Wire()
    _, peer = wire.exchange()
    assert peer.take() == b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"


def test_what_is_sent_in_one_pass_of_the_loop_is_written_at_its_end() -> None:
    soon: list[Callable[[], None]] = []
    wire = Wire(writes=WriteQueue(soon.append))
    request = wire.ask(Recorder(post((b"content-length", b"6")), end_stream=False))
    peer = wire.peers[0].accept()
    assert request.encoder is not None
    request.encoder.encode_data(b"abc", False)
    request.encoder.encode_data(b"def", True)
    assert peer.take() == b""
    assert len(soon) == 1
    soon.pop()()
    assert peer.take() == b"POST /p HTTP/1.1\r\nhost: a.test\r\ncontent-length: 6\r\n\r\nabcdef"


def test_nothing_is_written_to_a_connection_that_was_given_up_in_the_same_pass() -> None:
    soon: list[Callable[[], None]] = []
    wire = Wire(writes=WriteQueue(soon.append))
    request, peer = wire.exchange()
    assert request.encoder is not None
    request.encoder.reset()
    soon.pop()()
    assert peer.take() == b""


def test_connect_names_the_authority() -> None:
    wire = Wire()
    wire.ask(Recorder(RequestHeaders(b"CONNECT", b"", b"a.test:443"), end_stream=False))
    assert wire.peers[0].accept().take() == b"CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\n\r\n"


def test_a_body_with_a_length_goes_as_it_is() -> None:
    wire = Wire()
    request = wire.ask(Recorder(post((b"content-length", b"6")), end_stream=False))
    peer = wire.peers[0].accept()
    assert request.encoder is not None
    peer.take()
    request.encoder.encode_data(b"abc", False)
    request.encoder.encode_data(b"def", True)
    assert peer.take() == b"abcdef"


def test_a_body_without_a_length_goes_in_chunks() -> None:
    wire = Wire()
    request = wire.ask(Recorder(post((b"x-a", b"b")), end_stream=False))
    peer = wire.peers[0].accept()
    assert request.encoder is not None
    assert peer.take() == b"POST /p HTTP/1.1\r\nhost: a.test\r\nx-a: b\r\ntransfer-encoding: chunked\r\n\r\n"
    request.encoder.encode_data(b"abc", False)
    request.encoder.encode_data(b"", False)
    request.encoder.encode_data(b"x" * 5000, False)
    request.encoder.encode_data(b"y" * 5000, True)
    assert peer.take() == b"3\r\nabc\r\n1388\r\n" + b"x" * 5000 + b"\r\n1388\r\n" + b"y" * 5000 + b"\r\n0\r\n\r\n"


def test_trailers_of_a_request_are_dropped() -> None:
    wire = Wire()
    request = wire.ask(Recorder(post(), end_stream=False))
    peer = wire.peers[0].accept()
    assert request.encoder is not None
    peer.take()
    request.encoder.encode_trailers(HeaderMap([(b"x-t", b"v")]))
    assert peer.take() == b"0\r\n\r\n"


def test_bytes_are_counted() -> None:
    wire = Wire()
    _, peer = wire.exchange()
    sent = len(peer.received)
    answer = OK + b"content-length: 2\r\n\r\nhi"
    peer.send(answer)
    assert (wire.stats.cx_tx_bytes_total.value, wire.stats.cx_rx_bytes_total.value) == (sent, len(answer))


# ---- responses


@pytest.mark.parametrize(
    ("answer", "events"),
    [
        (b"content-length: 2\r\n\r\nhi", ["headers 200", "data hi end"]),
        (b"content-length: 0\r\n\r\n", ["headers 200 end"]),
        (b"transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", ["headers 200", "data hi end"]),
        (b"transfer-encoding: chunked\r\n\r\n0\r\nx-t: v\r\n\r\n", ["headers 200", "data  end"]),
        (b"transfer-encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", ["headers 200", "data hi end"]),
    ],
)
def test_complete_responses_leave_the_connection_reusable(answer: bytes, events: list[str]) -> None:
    wire = Wire()
    request, peer = wire.exchange()
    peer.send(OK + answer)
    assert request.events == ["ready", *events]
    again = wire.ask()
    assert again.events == ["ready"]
    assert again.connection is request.connection
    peer.send(OK + answer)
    assert again.events == ["ready", *events]


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"content-length: 5\r\n\r\nhello",
        OK + b"transfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK + b"content-length: 5\r\n\r\nhello",
    ],
)
def test_a_response_may_come_byte_by_byte(answer: bytes) -> None:
    wire = Wire()
    request, peer = wire.exchange()
    peer.send(*[answer[at : at + 1] for at in range(len(answer))])
    assert request.body == b"hello"
    assert request.events[-1].endswith(" end")
    assert wire.ask().events == ["ready"]


def test_a_response_that_came_whole_may_be_taken_whole() -> None:
    wire = Wire()
    request = wire.ask(Recorder(get(), whole=True))
    peer = wire.peers[0].accept()
    peer.send(OK + b"content-length: 5\r\n\r\nhello")
    assert request.events == ["ready", "whole 200 hello"]
    later = wire.ask(Recorder(get(), whole=True))
    peer.send(OK + b"content-length: 5\r\n\r\nhel")
    peer.send(b"lo")
    assert later.events == ["ready", "headers 200", "data hel", "data lo end"]


def test_informational_heads_come_before_the_final_one() -> None:
    wire = Wire()
    request, peer = wire.exchange()
    peer.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK + b"content-length: 0\r\n\r\n")
    assert request.events == ["ready", "informational 100", "informational 103", "headers 200 end"]


@pytest.mark.parametrize(
    "head", [OK + b"content-length: 5\r\n\r\n", OK + b"transfer-encoding: chunked\r\n\r\n", OK + b"x: y\r\n\r\n"]
)
def test_a_response_to_head_has_no_body(head: bytes) -> None:
    wire = Wire()
    request = wire.ask(Recorder(RequestHeaders(b"HEAD", b"/", b"a.test")))
    wire.peers[0].accept().send(head)
    assert request.events == ["ready", "headers 200 end"]
    assert wire.ask().events == ["ready"]


@pytest.mark.parametrize(
    ("head", "events"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", ["headers 204 end"]),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", ["headers 304 end"]),
    ],
)
def test_statuses_without_a_body(head: bytes, events: list[str]) -> None:
    wire = Wire()
    request, peer = wire.exchange()
    peer.send(head)
    assert request.events == ["ready", *events]
    assert wire.ask().events == ["ready"]


def test_without_a_length_the_body_ends_with_the_connection() -> None:
    wire = Wire()
    request, peer = wire.exchange()
    peer.send(OK + b"x: y\r\n\r\nhel", b"lo")
    peer.finish()
    assert request.events == ["ready", "headers 200", "data hel", "data lo", "data  end"]
    assert wire.counted().get("upstream_cx_destroy_with_active_rq") is None


@pytest.mark.parametrize(
    "head",
    [
        OK + b"connection: close\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi",
    ],
)
def test_a_connection_that_does_not_persist_is_closed(head: bytes) -> None:
    wire = Wire()
    request, peer = wire.exchange()
    peer.send(head)
    assert request.events[-1] == "data hi end"
    assert peer.closed
    assert wire.counted()["upstream_cx_close_notify"] == 1
    assert wire.ask().events == []


def test_a_close_is_counted_when_it_is_announced() -> None:
    wire = Wire()
    _, peer = wire.exchange()
    peer.send(OK + b"connection: close\r\n\r\n")
    assert wire.counted()["upstream_cx_close_notify"] == 1
    peer.finish()
    assert wire.counted()["upstream_cx_close_notify"] == 1


def test_http_10_with_keep_alive_persists() -> None:
    wire = Wire()
    _, peer = wire.exchange()
    peer.send(b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n")
    assert wire.ask().events == ["ready"]


def test_bytes_after_the_response_close_the_connection_but_not_the_exchange() -> None:
    for answer in (b"content-length: 2\r\n\r\nhiMORE", b"transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nMORE"):
        wire = Wire()
        request, peer = wire.exchange()
        peer.send(OK + answer)
        assert request.events == ["ready", "headers 200", "data hi end"]
        assert peer.closed
        assert wire.counted()["upstream_cx_protocol_error"] == 1


def test_bytes_that_nobody_asked_for_close_an_idle_connection() -> None:
    wire = Wire()
    _, peer = wire.exchange()
    peer.send(OK + b"content-length: 0\r\n\r\n")
    peer.send(OK)
    assert peer.closed
    assert wire.counted()["upstream_cx_protocol_error"] == 1
    assert wire.counted()["upstream_cx_destroy_local"] == 1


def test_an_early_response_ends_the_exchange_and_the_connection() -> None:
    wire = Wire()
    request = wire.ask(Recorder(post(), end_stream=False))
    peer = wire.peers[0].accept()
    peer.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
    assert request.events == ["ready", "headers 413 end"]
    assert peer.closed
    assert request.encoder is not None
    request.encoder.encode_data(b"too late", True)
    assert wire.ask().events == []


def test_a_response_that_ends_after_the_request_leaves_the_connection_reusable() -> None:
    wire = Wire()
    request = wire.ask(Recorder(post(), end_stream=False))
    peer = wire.peers[0].accept()
    peer.send(OK + b"content-length: 2\r\n\r\nh")
    assert request.encoder is not None
    request.encoder.encode_data(b"x", True)
    peer.send(b"i")
    assert request.events[-1] == "data i end"
    assert wire.ask().events == ["ready"]


# ---- tunnels


def test_an_upgrade_turns_the_connection_into_a_tunnel() -> None:
    wire = Wire()
    head = get(b"/ws", [(b"connection", b"upgrade"), (b"upgrade", b"websocket")])
    request = wire.ask(Recorder(head, end_stream=False))
    peer = wire.peers[0].accept()
    assert b"transfer-encoding" not in peer.take()
    peer.send(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\nhello")
    assert request.encoder is not None
    request.encoder.encode_data(b"raw", False)
    assert peer.take() == b"raw"
    peer.send(b"there")
    peer.finish()
    assert request.events == ["ready", "headers 101", "data hello", "data there", "reset: connection termination"]


def test_connect_opens_a_tunnel_whatever_the_length_says() -> None:
    wire = Wire()
    request = wire.ask(Recorder(RequestHeaders(b"CONNECT", b"", b"a.test:443"), end_stream=False))
    wire.peers[0].accept().send(OK + b"content-length: 0\r\n\r\nraw")
    assert request.events == ["ready", "headers 200", "data raw"]


def test_a_101_that_nobody_asked_for_ends_there() -> None:
    wire = Wire()
    request, peer = wire.exchange()
    peer.send(b"HTTP/1.1 101 Switching Protocols\r\n\r\ndata")
    assert request.events == ["ready", "headers 101 end"]
    assert peer.closed


# ---- facts


def test_facts_for_logs() -> None:
    wire = Wire()
    request, _ = wire.exchange()
    connection = request.connection
    assert connection is not None
    assert (connection.connection_id, str(connection.local_address), connection.protocol) == (1, "10.0.0.9:4711", "HTTP/1.1")
    assert "10.0.0.1:80" in repr(connection)
