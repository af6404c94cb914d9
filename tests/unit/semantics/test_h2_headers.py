from __future__ import annotations

from dataplane.semantics.h2_headers import header_bytes, request_fields, request_headers, response_fields, response_headers
from dataplane.semantics.header_map import RequestHeaders, ResponseHeaders

PSEUDO = [(b":method", b"GET"), (b":path", b"/x"), (b":scheme", b"https"), (b":authority", b"h.test")]


def test_a_request_and_back() -> None:
    received = [*PSEUDO, (b"a", b"b")]
    headers, size = request_headers(received)
    assert (headers.method, headers.path, headers.scheme, headers.authority) == (b"GET", b"/x", b"https", b"h.test")
    assert headers.fields == [(b"a", b"b")]
    assert size == header_bytes(received)
    assert request_fields(headers) == received


def test_cookies_become_one_field() -> None:
    headers, _ = request_headers([*PSEUDO, (b"cookie", b"a=1"), (b"b", b"c"), (b"cookie", b"d=2")])
    assert headers.fields == [(b"cookie", b"a=1; d=2"), (b"b", b"c")]


def test_host_counts_without_authority_only() -> None:
    assert request_headers([*PSEUDO[:3], (b"host", b"other")])[0].authority == b"other"
    headers, _ = request_headers([*PSEUDO, (b"host", b"other")])
    assert (headers.authority, headers.fields) == (b"h.test", [])


def test_connect_plain_and_extended() -> None:
    plain = RequestHeaders(b"CONNECT", b"", b"h.test:443")
    assert request_fields(plain) == [(b":method", b"CONNECT"), (b":authority", b"h.test:443")]
    extended, _ = request_headers([(b":method", b"CONNECT"), *PSEUDO[1:], (b":protocol", b"websocket")])
    assert extended.protocol == b"websocket"
    assert request_fields(extended)[-1] == (b":protocol", b"websocket")


def test_a_response_and_back() -> None:
    headers = response_headers([(b":status", b"404"), (b"a", b"b")])
    assert (headers.status, headers.fields) == (404, [(b"a", b"b")])
    assert response_fields(headers) == [(b":status", b"404"), (b"a", b"b")]
    assert response_fields(ResponseHeaders(999)) == [(b":status", b"999")]
