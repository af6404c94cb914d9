"""HTTP/1.1 towards downstream, as dialogues: bytes in, what the upstream sees and what the client gets."""

from __future__ import annotations

import pytest

from dataplane.observe import flags
from dataplane.routing.route import DirectResponse
from dataplane.semantics.h1_options import Http1Options
from dataplane.semantics.header_map import ResponseHeaders
from tests.support.engine import Engine, get, route

CHUNKED = b"transfer-encoding: chunked"


def test_a_request_goes_up_and_its_response_comes_down_in_one_write() -> None:
    engine = Engine()
    client = engine.connect()
    client.send(get(b"/a?b=c", b"X-Foo: Bar", b"connection: keep-alive"))
    head = engine.up.last.headers
    assert head is not None
    assert (head.method, head.path, head.authority) == (b"GET", b"/a?b=c", b"h.test")
    assert [name for name, _ in engine.up.last.fields] == [
        b"x-foo",
        b"x-forwarded-proto",
        b"x-request-id",
        b"x-envoy-expected-rq-timeout-ms",
    ]
    engine.up.last.respond(200, b"hello", (b"x-a", b"1"))
    status, fields, body = client.take_response()
    assert (status, body) == (200, b"hello")
    assert list(fields) == [b"x-a", b"content-length", b"x-envoy-upstream-service-time", b"date", b"server"]
    assert client.transport.writes == 1
    assert not client.closed


@pytest.mark.parametrize("opening", [b"\0", b"\x16\x03", b" GET", b"\r\n\t"])
def test_an_opening_that_is_no_text_is_answered_at_once(opening: bytes) -> None:
    client = Engine().connect()
    client.send(opening)
    assert client.take().startswith(b"HTTP/1.1 400 Bad Request\r\n")


@pytest.mark.parametrize("opening", [b"!", b"@ET", b"\x80", b"\r\n\xff"])
def test_an_opening_that_is_no_method_is_answered_with_its_line(opening: bytes) -> None:
    client = Engine().connect()
    client.send(opening)
    assert client.take() == b""
    client.send(b" / HTTP/1.1\r\n")
    assert client.take().startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_pipelined_requests_are_answered_in_order_and_one_at_a_time() -> None:
    engine = Engine()
    client = engine.connect()
    client.send(get(b"/1") + get(b"/2") + get(b"/3"))
    assert len(engine.up.exchanges) == 1
    for number in (1, 2, 3):
        assert len(engine.up.exchanges) == number
        engine.up.last.respond(200, b"%d" % number)
        assert client.take().endswith(b"\r\n\r\n%d" % number)


def test_answers_of_one_pass_go_out_in_one_write() -> None:
    engine = Engine(routes=[route(action=DirectResponse(200, b"x"))])
    client = engine.connect()
    client.connection.data_received(get() * 3)
    assert client.transport.writes == 0
    engine.loop.run_soon()
    assert (client.transport.writes, client.take().count(b"HTTP/1.1 200 OK")) == (1, 3)


def test_an_answer_is_not_lost_when_the_client_half_closes_at_once() -> None:
    engine = Engine(routes=[route(action=DirectResponse(200, b"x"))])
    client = engine.connect()
    client.connection.data_received(get())
    client.send_eof()
    assert client.take().endswith(b"\r\n\r\nx")
    assert client.closed


def test_nothing_is_written_to_a_connection_that_is_gone() -> None:
    engine = Engine(routes=[route(action=DirectResponse(200, b"x"))])
    client = engine.connect()
    client.connection.data_received(get())
    client.transport.close()
    engine.loop.run_soon()
    assert client.transport.received == b""


def test_requests_sent_ahead_without_end_pause_reading() -> None:
    engine = Engine()
    client = engine.connect()
    client.send(get())
    client.send(get(b"/" + b"x" * 1000) * 80)
    assert not client.transport.reading
    for _ in range(81):
        engine.up.last.respond(204)
    assert client.transport.reading
    assert client.take().count(b"HTTP/1.1 204 No Content") == 81


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_bodies_of_known_length_are_streamed(step: int) -> None:
    engine = Engine()
    client = engine.connect()
    data = get(b"/", b"content-length: 10", method=b"POST") + b"0123456789"
    client.send(*(data[at : at + step] for at in range(0, len(data), step)))
    assert engine.up.last.body == b"0123456789"
    assert engine.up.last.ended
    assert engine.up.last.field(b"content-length") == b"10"


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_chunked_bodies_are_streamed(step: int) -> None:
    engine = Engine()
    client = engine.connect()
    data = get(b"/", CHUNKED, method=b"POST") + b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nx-trailer: 1\r\n\r\n" + get(b"/next")
    client.send(*(data[at : at + step] for at in range(0, len(data), step)))
    assert engine.up.last.body == b"hello world"
    assert engine.up.last.ended
    assert engine.up.last.trailers is None  # enable_trailers is off
    assert engine.up.last.field(b"transfer-encoding") is None
    engine.up.last.respond()
    assert engine.up.last.headers is not None
    assert engine.up.last.headers.path == b"/next"


def test_trailers_are_passed_on_where_they_are_enabled() -> None:
    engine = Engine(settings={"http1": Http1Options(enable_trailers=True)})
    client = engine.connect()
    client.send(get(b"/", CHUNKED, method=b"POST") + b"2\r\nhi\r\n0\r\nx-trailer: 1\r\n\r\n")
    assert engine.up.last.trailers is not None
    assert engine.up.last.trailers.fields == [(b"x-trailer", b"1")]


def test_a_response_of_unknown_length_is_chunked() -> None:
    engine = Engine()
    client = engine.connect()
    client.send(get())
    receiver = engine.up.last.receiver
    receiver.on_headers(ResponseHeaders(200, []), False)
    engine.loop.run_soon()
    receiver.on_data(b"abc", False)
    engine.loop.run_soon()
    receiver.on_data(b"", True)
    received = client.take()
    assert received.endswith(b"server: envoy\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    assert client.transport.writes == 3


@pytest.mark.parametrize(
    ("status", "body", "end"),
    [(200, b"", b"content-length: 0\r\n"), (204, b"", b"server: envoy\r\n\r\n"), (304, b"", b"content-length: 0\r\n")],
)
def test_responses_without_a_body_say_so(status: int, body: bytes, end: bytes) -> None:
    engine = Engine()
    client = engine.connect()
    client.send(get())
    engine.up.last.respond(status, body)
    assert end in client.take()


def test_head_gets_the_head_of_a_body() -> None:
    engine = Engine(routes=[route(action=DirectResponse(200, b"hello"))])
    client = engine.connect()
    client.send(get(method=b"HEAD"))
    status, fields, body = client.take_response()
    assert (status, fields[b"content-length"], body) == (200, b"5", b"")
    assert not client.closed


def test_expect_100_continue_is_answered_here() -> None:
    engine = Engine()
    client = engine.connect()
    client.send(get(b"/", b"content-length: 3", b"expect: 100-continue", method=b"POST"))
    assert client.take() == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert engine.up.last.field(b"expect") is None
    client.send(b"abc")
    assert engine.up.last.ended


def test_expect_100_continue_is_passed_on_where_configured() -> None:
    engine = Engine(settings={"proxy_100_continue": True})
    client = engine.connect()
    client.send(get(b"/", b"content-length: 3", b"expect: 100-continue", method=b"POST"))
    assert client.take() == b""
    assert engine.up.last.field(b"expect") == b"100-continue"
    engine.up.last.receiver.on_informational(ResponseHeaders(100))
    assert client.take() == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_the_first_interim_response_stands_for_all() -> None:
    engine = Engine(settings={"proxy_100_continue": True})
    client = engine.connect()
    client.send(get(b"/", b"content-length: 3", b"expect: 100-continue", method=b"POST"))
    for _ in range(2):
        engine.up.last.receiver.on_informational(ResponseHeaders(100))
    assert client.take() == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert engine.counter("cluster.up.upstream_rq_100") == 1


def test_an_early_response_ends_the_connection_but_not_at_once() -> None:
    engine = Engine(routes=[route(action=DirectResponse(200, b"hello"))])
    client = engine.connect()
    client.send(get(b"/", b"content-length: 10", method=b"POST") + b"abc")
    status, fields, body = client.take_response()
    assert (status, fields[b"connection"], body) == (200, b"close", b"hello")
    client.send(b"defghij")
    assert client.take() == b""
    assert not client.closed
    engine.loop.advance(1.1)
    assert client.closed
    assert engine.counter("http.test.downstream_rq_response_before_rq_complete") == 1
    assert engine.counter("http.test.downstream_cx_delayed_close_timeout") == 1


def test_a_request_that_asks_for_it_is_the_last_of_its_connection() -> None:
    engine = Engine()
    client = engine.connect()
    client.send(get(b"/", b"connection: close") + get(b"/never"))
    engine.up.last.respond(200, b"bye")
    status, fields, body = client.take_response()
    assert (status, fields[b"connection"], body) == (200, b"close", b"bye")
    assert client.closed
    assert len(engine.up.exchanges) == 1


def test_a_client_that_half_closes_is_gone() -> None:
    engine = Engine()
    client = engine.connect()
    client.send(get())
    client.send_eof()
    assert client.closed
    assert engine.up.last.was_reset
    assert engine.log.last.response_flags == flags.DOWNSTREAM_CONNECTION_TERMINATION
    assert engine.log.last.response_code_details == "downstream_remote_disconnect"
    assert engine.log.last.response_code == 0


def test_a_head_that_never_ends_is_logged() -> None:
    engine = Engine()
    client = engine.connect()
    client.send(b"GET / HT")
    client.send_eof()
    assert engine.log.requests == [None]
    assert engine.log.last.response_code_details == "downstream_remote_disconnect"


class TestOldVersions:
    def test_http_10_is_refused(self) -> None:
        client = Engine().connect()
        client.send(b"GET / HTTP/1.0\r\nhost: a\r\n\r\n")
        status, fields, body = client.take_response()
        assert (status, fields[b"connection"], body) == (426, b"close", b"Upgrade Required")

    def test_http_10_is_served_where_accepted(self) -> None:
        engine = Engine(settings={"http1": Http1Options(accept_http_10=True)})
        client = engine.connect()
        client.send(b"GET / HTTP/1.0\r\nhost: a\r\n\r\n")
        engine.up.last.respond(200, b"old")
        received = client.take()
        assert received.startswith(b"HTTP/1.0 200 OK\r\n")
        assert b"\r\nconnection: close\r\n" in received
        assert client.closed
        assert engine.log.last.protocol == "HTTP/1.0"

    def test_http_10_may_keep_its_connection(self) -> None:
        engine = Engine(settings={"http1": Http1Options(accept_http_10=True)})
        client = engine.connect()
        client.send(b"GET / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n")
        engine.up.last.respond(200, b"old")
        assert b"\r\nconnection: keep-alive\r\n" in client.take()
        assert not client.closed

    def test_a_body_without_length_ends_with_the_connection(self) -> None:
        engine = Engine(settings={"http1": Http1Options(accept_http_10=True)})
        client = engine.connect()
        client.send(b"GET / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n")
        engine.up.last.receiver.on_headers(ResponseHeaders(200, []), False)
        engine.up.last.receiver.on_data(b"abc", True)
        received = client.take()
        assert received.endswith(b"connection: close\r\n\r\nabc")
        assert client.closed

    def test_the_default_host_stands_in(self) -> None:
        options = Http1Options(accept_http_10=True, default_host_for_http_10=b"default.test")
        engine = Engine(settings={"http1": options})
        engine.connect().send(b"GET / HTTP/1.0\r\n\r\n")
        assert engine.up.last.headers is not None
        assert engine.up.last.headers.authority == b"default.test"


@pytest.mark.parametrize(
    ("data", "status", "details"),
    [
        (b"garbage\r\n\r\n", 400, "http1.codec_error"),
        (b"\x16\x03\x01\x02\x00", 400, "http1.codec_error"),
        (b"FROB / HTTP/1.1\r\nhost: a\r\n\r\n", 400, "http1.codec_error"),
        (get(b"/", b"content-length: 3", CHUNKED), 400, "http1.content_length_and_chunked_not_allowed"),
        (get(b"/", b"transfer-encoding: gzip"), 501, "http1.invalid_transfer_encoding"),
        (get(b"/", b"x: a\x00b"), 400, "http1.invalid_characters"),
        (get(b"/", b"x : a"), 400, "http1.codec_error"),
        (get(b"/", b"x: " + b"a" * 70000), 431, "http1.headers_too_large"),
        (b"GET /" + b"a" * 70000, 431, "http1.headers_too_large"),
        (get(b"/", *(b"x%d: 1" % n for n in range(101))), 431, "http1.too_many_headers"),
        (get(b"/", b"content-length: -1"), 400, "http1.codec_error"),
        (get(b"/", host=b"a/b"), 400, "http.invalid_authority"),
        (get(b"/", b"connection: x-forwarded-for"), 400, "http1.connection_header_rejected"),
    ],
)
def test_what_is_not_http_is_refused(data: bytes, status: int, details: str) -> None:
    engine = Engine()
    client = engine.connect()
    client.send(data)
    got, fields, body = client.take_response()
    assert got == status
    assert fields[b"connection"] == b"close"
    assert int(fields[b"content-length"]) == len(body) > 0
    assert fields[b"content-type"] == b"text/plain"
    assert engine.log.last.response_code_details == details
    assert engine.log.last.response_flags == flags.DOWNSTREAM_PROTOCOL_ERROR
    assert engine.counter("http.test.downstream_cx_protocol_error") == 1
    assert engine.up.exchanges == []
    engine.loop.advance(1.1)
    assert client.closed
    assert engine.counter("http.test.downstream_rq_active") == 0


def test_a_broken_chunk_resets_the_upstream() -> None:
    engine = Engine()
    client = engine.connect()
    client.send(get(b"/", CHUNKED, method=b"POST"), b"3\r\nabc\r\n", b"zz\r\n")
    status, _, body = client.take_response()
    assert (status, body) == (400, b"Bad Request")
    assert engine.up.last.was_reset
    assert engine.log.last.response_code_details == "http1.codec_error"


def test_proper_case_headers() -> None:
    engine = Engine(settings={"http1": Http1Options(proper_case_headers=True)})
    client = engine.connect()
    client.send(get())
    engine.up.last.respond(200, b"x", (b"x-foo_bar", b"1"))
    received = client.take()
    assert b"\r\nX-Foo_Bar: 1\r\nContent-Length: 1\r\n" in received
    assert b"transfer-encoding" not in received.lower()


def test_a_second_malformed_request_is_answered_after_the_first() -> None:
    engine = Engine()
    client = engine.connect()
    client.send(get(b"/1") + b"garbage\r\n\r\n")
    assert client.take() == b""
    engine.up.last.respond(200, b"ok")
    received = client.take()
    assert received.index(b"HTTP/1.1 200") < received.index(b"HTTP/1.1 400")
