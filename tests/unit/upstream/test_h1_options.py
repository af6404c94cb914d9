"""What a cluster's Http1ProtocolOptions change on its connections: bytes in, events out."""

from __future__ import annotations

from dataplane.semantics.h1_options import Http1Options
from dataplane.semantics.header_case import HeaderCase, PreserveCase
from dataplane.semantics.header_map import Field, HeaderMap, RequestHeaders
from tests.support.upstream_wire import OK, Recorder, Wire, get, post

TRAILERS = Http1Options(enable_trailers=True)
BODY = b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n"


def sent(wire: Wire, headers: RequestHeaders) -> bytes:
    wire.ask(Recorder(headers))
    return wire.peers[-1].accept().take()


def test_trailers_of_a_response_are_handed_on_behind_its_body() -> None:
    wire = Wire(http1=TRAILERS)
    request, peer = wire.exchange()
    peer.send(OK + BODY + b"sum: 1\r\nX-Two: 2\r\n\r\n")
    assert (request.body, request.trailers) == (b"ab", [(b"sum", b"1"), (b"x-two", b"2")])
    assert request.events == ["ready", "headers 200", "data ab", "trailers"]
    assert not peer.closed
    wire.ask()
    assert len(wire.peers) == 1


def test_trailers_in_any_split() -> None:
    message = OK + BODY + b"sum: 1\r\n\r\n"
    wire = Wire(http1=TRAILERS)
    request, peer = wire.exchange()
    peer.send(message)
    for end in range(1, len(message)):
        request = wire.ask()
        peer.send(message[:end])
        peer.send(message[end:])
        assert (request.body, request.trailers) == (b"ab", [(b"sum", b"1")]), end
    assert len(wire.peers) == 1


def test_a_receiver_that_gives_up_at_the_body_hears_nothing_of_the_trailers() -> None:
    wire = Wire(http1=TRAILERS)
    request, peer = wire.exchange()

    def give_up(event: str) -> None:
        if event.startswith("data") and request.encoder is not None:
            request.encoder.reset()

    request.then = give_up
    peer.send(OK + BODY + b"sum: 1\r\n\r\n")
    assert request.events == ["ready", "headers 200", "data ab"]
    assert peer.closed


def test_an_empty_trailer_section_is_the_end_of_the_body() -> None:
    wire = Wire(http1=TRAILERS)
    request, peer = wire.exchange()
    peer.send(OK + BODY + b"\r\n")
    assert request.events == ["ready", "headers 200", "data ab end"]


def trailers_sent(wire: Wire, *fields: Field) -> bytes:
    request = wire.ask(Recorder(post(*fields), end_stream=False))
    peer = wire.peers[-1].accept()
    assert request.encoder is not None
    request.encoder.encode_data(b"ab", False)
    request.encoder.encode_trailers(HeaderMap([(b"sum", b"1"), (b"x", b"2")]))
    return peer.take().partition(b"\r\n\r\n")[2]


def test_trailers_of_a_request_are_written_where_they_are_enabled() -> None:
    assert trailers_sent(Wire(http1=TRAILERS)) == b"2\r\nab\r\n0\r\nsum: 1\r\nx: 2\r\n\r\n"
    assert trailers_sent(Wire()) == b"2\r\nab\r\n0\r\n\r\n"


def test_a_body_with_a_length_has_no_place_for_trailers() -> None:
    assert trailers_sent(Wire(http1=TRAILERS), (b"content-length", b"2")) == b"ab"


def test_targets_may_be_whole_urls() -> None:
    wire = Wire(http1=Http1Options(send_fully_qualified_url=True))
    assert sent(wire, get(b"/a?b")) == b"GET http://a.test/a?b HTTP/1.1\r\nhost: a.test\r\n\r\n"
    assert sent(wire, RequestHeaders(b"CONNECT", b"", b"a.test:1")).startswith(b"CONNECT a.test:1 HTTP/1.1\r\n")


def test_names_in_proper_case() -> None:
    wire = Wire(http1=Http1Options(proper_case_headers=True))
    assert sent(wire, get(b"/", [(b"x-my_own", b"v")])) == b"GET / HTTP/1.1\r\nHost: a.test\r\nX-My_Own: v\r\n\r\n"
    assert sent(wire, post()) == b"POST /p HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n"


def test_the_spelling_that_a_request_brings_counts_before_the_configured_one() -> None:
    case = HeaderCase(b"POST / HTTP/1.1\r\nhOST: a\r\nX-one: 1\r\nTransfer-ENCODING: chunked\r\n\r\n", PreserveCase())
    headers = RequestHeaders(b"POST", b"/", b"a", fields=[(b"x-one", b"1"), (b"x-two", b"2")])
    headers.case = case
    expected = b"POST / HTTP/1.1\r\nhOST: a\r\nX-one: 1\r\nx-two: 2\r\nTransfer-ENCODING: chunked\r\n\r\n"
    for options in (Http1Options(proper_case_headers=True), Http1Options()):
        wire = Wire(http1=options)
        wire.ask(Recorder(headers, end_stream=False))
        assert wire.peers[-1].accept().take() == expected
