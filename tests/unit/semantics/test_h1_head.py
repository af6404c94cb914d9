"""HTTP/1 heads: the verdicts are Envoy 1.40's, each tried against it."""

from __future__ import annotations

import pytest

from dataplane.base.errors import ProtocolError
from dataplane.semantics.framing import CHUNKED, NOT_GIVEN
from dataplane.semantics.h1_fields import FieldParser
from dataplane.semantics.h1_head import HTTP_10, HTTP_11, RequestHeadParser, ResponseHeadParser, find_head_end, persists
from dataplane.semantics.h1_options import Http1Options

REQUESTS = RequestHeadParser(FieldParser())
RESPONSES = ResponseHeadParser(FieldParser())


def request(line: bytes = b"GET /x HTTP/1.1", *fields: bytes, eol: bytes = b"\r\n") -> bytes:
    return eol.join([line, *(fields or (b"Host: a",)), b"", b""])


def response(*fields: bytes, line: bytes = b"HTTP/1.1 200 OK", eol: bytes = b"\r\n") -> bytes:
    return eol.join([line, *fields, b"", b""])


def test_plain_request() -> None:
    headers, length, keep_alive, version, has_host = REQUESTS.parse(
        request(b"GET /x?y HTTP/1.1", b"Host: a", b"X-Y: z", b"ETAG: 1")
    )
    assert (headers.method, headers.path, headers.authority) == (b"GET", b"/x?y", b"a")
    assert headers.fields == [(b"x-y", b"z"), (b"etag", b"1")]
    assert (length, keep_alive, version, has_host) == (NOT_GIVEN, True, HTTP_11, True)


@pytest.mark.parametrize(
    "head",
    [
        request(eol=b"\n"),
        b"GET /x HTTP/1.1\r\nHost: a\r\n\n",
        b"GET  /x HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET\t \t/x \t HTTP/1.1 \r\nHost: a\r\n\r\n",
        b"GET /x HTTP/1.1\r\nHost: a\r\r\n\r\n",
        b"GET /x HTTP/1.1\r\nHost:\r\n a\r\n\r\n",
    ],
)
def test_odd_but_accepted_requests(head: bytes) -> None:
    headers = REQUESTS.parse(head)[0]
    assert (headers.method, headers.path, headers.authority, headers.fields) == (b"GET", b"/x", b"a", [])


@pytest.mark.parametrize(
    ("line", "details"),
    [
        (b" GET /x HTTP/1.1", "http1.codec_error"),
        (b"GET /x y HTTP/1.1", "http1.codec_error"),
        (b"GET /x HTTP/1.1x", "http1.codec_error"),
        (b"GET /x HTTP/01.1", "http1.codec_error"),
        (b"GET /x http/1.1", "http1.codec_error"),
        (b"get /x HTTP/1.1", "http1.codec_error"),
        (b"FOO /x HTTP/1.1", "http1.codec_error"),
        (b"GET /x\xff HTTP/1.1", "http1.codec_error"),
        (b"GET /x\x01 HTTP/1.1", "http1.invalid_characters"),
        (b"GET /x\x00 HTTP/1.1", "http1.invalid_characters"),
        (b"GET /x\ty HTTP/1.1", "http1.codec_error"),
        (b"GET /x\ry HTTP/1.1", "http1.codec_error"),
        (b"GET x HTTP/1.1", "http1.codec_error"),
        (b"GET * HTTP/1.1", "http1.invalid_url"),
        (b"OPTIONS *x HTTP/1.1", "http1.invalid_url"),
        (b"GET foo://b.c/ HTTP/1.1", "http1.invalid_scheme"),
        (b"GET http:// HTTP/1.1", "http1.invalid_url"),
        (b"GET http://a{/x HTTP/1.1", "http1.codec_error"),
        (b"GET http:a/x HTTP/1.1", "http1.codec_error"),
        (b"CONNECT a HTTP/1.1", "http1.invalid_url"),
        (b"CONNECT /x HTTP/1.1", "http1.invalid_url"),
        (b"CONNECT a.b:80/x HTTP/1.1", "http1.invalid_url"),
    ],
)
def test_refused_request_lines(line: bytes, details: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        REQUESTS.parse(request(line))
    assert (refused.value.status, refused.value.details) == (400, details)


@pytest.mark.parametrize(
    ("target", "scheme", "authority", "path"),
    [
        (b"http://b.c:81/x?y", b"http", b"b.c:81", b"/x?y"),
        (b"http://b.c", b"http", b"b.c", b"/"),
        (b"HTTPS://b.c/", b"https", b"b.c", b"/"),
        (b"http://u:p@a/x", b"http", b"a", b"/x"),
        (b"http://a?x", b"http", b"a", b"?x"),
    ],
)
def test_absolute_targets_beat_the_host_field(target: bytes, scheme: bytes, authority: bytes, path: bytes) -> None:
    headers = REQUESTS.parse(request(b"GET " + target + b" HTTP/1.1", b"Host: h"))[0]
    assert (headers.scheme, headers.authority, headers.path, headers.fields) == (scheme, authority, path, [])


def test_connect_and_options() -> None:
    assert REQUESTS.parse(request(b"CONNECT [::1]:80 HTTP/1.1"))[0].authority == b"[::1]:80"
    assert REQUESTS.parse(request(b"OPTIONS * HTTP/1.1"))[0].path == b"*"


def test_hosts() -> None:
    def authority(*fields: bytes) -> tuple[bytes, bool]:
        headers, _, _, _, has_host = REQUESTS.parse(request(b"GET / HTTP/1.1", *fields))
        assert b"host" not in headers
        return headers.authority, has_host

    assert authority(b"X: y") == (b"", False)
    assert authority(b"Host:") == (b"", True)
    assert authority(b"Host: a", b"X: y", b"host: b") == (b"a,b", True)


@pytest.mark.parametrize("line", [b"GET /x", b"GET /x HTTP/0.9", b"GET /x HTTP/1.0", b"GET /x HTTP/1.2", b"GET /x HTTP/2.0"])
def test_other_versions_count_as_10(line: bytes) -> None:
    _, _, keep_alive, version, _ = REQUESTS.parse(request(line))
    assert (version, keep_alive) == (HTTP_10, False)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ((b"Content-Length:  2 ",), 2),
        ((b"Content-Length: 0002",), 2),
        ((b"Content-Length: 18446744073709551615",), (1 << 64) - 1),
        ((b"Transfer-Encoding: ChunKed",), CHUNKED),
        ((b"X: y",), NOT_GIVEN),
    ],
)
def test_lengths(fields: tuple[bytes, ...], expected: int) -> None:
    assert REQUESTS.parse(request(b"POST / HTTP/1.1", b"Host: a", *fields))[1] == expected
    assert RESPONSES.parse(response(*fields))[1] == expected


@pytest.mark.parametrize(
    ("fields", "status", "details"),
    [
        ((b"Content-Length: 2", b"Content-Length: 2"), 400, "http1.codec_error"),
        ((b"Content-Length: 2, 2",), 400, "http1.codec_error"),
        ((b"Content-Length: +2",), 400, "http1.codec_error"),
        ((b"Content-Length: -2",), 400, "http1.codec_error"),
        ((b"Content-Length: 0x2",), 400, "http1.codec_error"),
        ((b"Content-Length:",), 400, "http1.codec_error"),
        ((b"Content-Length: 2 2",), 400, "http1.codec_error"),
        ((b"Content-Length: 18446744073709551616",), 400, "http1.codec_error"),
        ((b"Content-Length: " + b"9" * 5000,), 400, "http1.codec_error"),
        ((b"Content-Length: 2", b"Transfer-Encoding: chunked"), 400, "http1.content_length_and_chunked_not_allowed"),
        ((b"Transfer-Encoding: gzip, chunked",), 501, "http1.invalid_transfer_encoding"),
        ((b"Transfer-Encoding: chunked, chunked",), 501, "http1.invalid_transfer_encoding"),
        ((b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), 501, "http1.invalid_transfer_encoding"),
        ((b"Transfer-Encoding: identity",), 501, "http1.invalid_transfer_encoding"),
        ((b"Transfer-Encoding: xchunked",), 501, "http1.invalid_transfer_encoding"),
        ((b"Transfer-Encoding:",), 501, "http1.invalid_transfer_encoding"),
        ((b"Transfer-Encoding: \x0bchunked",), 400, "http1.invalid_characters"),
    ],
)
def test_refused_framing(fields: tuple[bytes, ...], status: int, details: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        REQUESTS.parse(request(b"POST / HTTP/1.1", b"Host: a", *fields))
    assert (refused.value.status, refused.value.details) == (status, details)
    with pytest.raises(ProtocolError):
        RESPONSES.parse(response(*fields))


def test_a_length_beside_chunked_may_be_dropped() -> None:
    parser = RequestHeadParser(FieldParser(), options=Http1Options(allow_chunked_length=True))
    headers, length, _, _, _ = parser.parse(
        request(b"POST / HTTP/1.1", b"Host: a", b"Content-Length: 2", b"Transfer-Encoding: chunked")
    )
    assert length == CHUNKED
    assert b"content-length" not in headers


def test_limits() -> None:
    fields = [b"X%d: y" % number for number in range(99)]
    REQUESTS.parse(request(b"GET / HTTP/1.1", b"Host: a", *fields))
    with pytest.raises(ProtocolError, match=r"http1\.too_many_headers"):
        REQUESTS.parse(request(b"GET / HTTP/1.1", b"Host: a", *fields, b"X: y"))
    with pytest.raises(ProtocolError, match=r"http1\.too_many_headers"):
        RESPONSES.parse(response(*fields, b"A: b", b"C: d"))
    for refused in (
        lambda: REQUESTS.parse(request(b"GET / HTTP/1.1", b"X: " + b"y" * 61_500)),
        lambda: RESPONSES.parse(b"H" * 61_500),
    ):
        with pytest.raises(ProtocolError, match=r"http1\.headers_too_large"):
            refused()


@pytest.mark.parametrize(
    ("connection", "default", "expected"),
    [
        (b"keep-alive", False, True),
        (b"close", True, False),
        (b"Close", True, False),
        (b"x, CLOSE", True, False),
        (b"keep-alive, close", True, False),
        (b"Keep-Alive, x", False, True),
        (b"upgrade", True, True),
        (b"upgrade", False, False),
    ],
)
def test_persists(connection: bytes, default: bool, expected: bool) -> None:
    assert persists(connection, default) is expected


def test_plain_response() -> None:
    headers, length, keep_alive, version = RESPONSES.parse(response(b"Content-Length: 2", b"Server: s", b"Connection: close"))
    assert (headers.status, length, keep_alive, version) == (200, 2, False, HTTP_11)
    assert headers.fields == [(b"content-length", b"2"), (b"server", b"s"), (b"connection", b"close")]


@pytest.mark.parametrize(
    ("line", "status", "version"),
    [
        (b"HTTP/1.1 200", 200, HTTP_11),
        (b"HTTP/1.1 200 ", 200, HTTP_11),
        (b"HTTP/1.1  404 Not Found", 404, HTTP_11),
        (b"HTTP/1.1 200 \xff\xfe", 200, HTTP_11),
        (b"HTTP/1.0 200 OK", 200, HTTP_10),
        (b"HTTP/2.0 200 OK", 200, HTTP_10),
        (b"HTTP/1.1 999 OK", 999, HTTP_11),
        (b"HTTP/1.1 1000 OK", 1000, HTTP_11),
    ],
)
def test_status_lines(line: bytes, status: int, version: str) -> None:
    headers, _, keep_alive, found_version = RESPONSES.parse(response(line=line))
    assert (headers.status, found_version, keep_alive) == (status, version, version is HTTP_11)
    assert RESPONSES.parse(response(line=line, eol=b"\n"))[0].status == status


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1 200 OK",
        b"http/1.1 200 OK",
        b"ICY 200 OK",
        b"HTTP/1.1 99 OK",
        b"HTTP/1.1 099 OK",
        b"HTTP/1.1 2x0 OK",
        b"HTTP/1.1 200x OK",
        b"garbage",
    ],
)
def test_refused_status_lines(line: bytes) -> None:
    with pytest.raises(ProtocolError) as refused:
        RESPONSES.parse(response(line=line))
    assert refused.value.status == 502


def test_responses_that_may_not_have_a_body() -> None:
    headers, length, _, _ = RESPONSES.parse(response(b"Content-Length: 0", b"X: y", line=b"HTTP/1.1 204 No Content"))
    assert (headers.fields, length) == ([(b"x", b"y")], 0)
    assert RESPONSES.parse(response(b"Content-Length: 5", line=b"HTTP/1.1 304 Not Modified"))[1] == 5
    for line in (b"HTTP/1.1 100 Continue", b"HTTP/1.1 103 Early Hints", b"HTTP/1.1 204 No Content"):
        for field in (b"Content-Length: 2", b"Transfer-Encoding: chunked"):
            with pytest.raises(ProtocolError):
                RESPONSES.parse(response(field, line=line))


def test_find_head_end() -> None:
    assert find_head_end(b"a\r\n\r\nrest") == 5
    assert find_head_end(b"a\n\nrest\r\n\r\n") == 3
    assert find_head_end(b"a\n\r\nrest\n\n") == 4
    assert find_head_end(b"a\r\n\r") == -1
    assert find_head_end(bytearray(b"a\r\n\r\n"), 1) == 5
