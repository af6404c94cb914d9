from __future__ import annotations

from dataplane.semantics.h2_headers import (
    as_extended_connect,
    as_switching,
    from_extended_connect,
    header_bytes,
    request_fields,
    request_headers,
    response_fields,
    response_headers,
    tunnel_fields,
)
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


def test_an_extended_connect_is_the_upgrade_that_means_the_same() -> None:
    headers, _ = request_headers([(b":method", b"CONNECT"), *PSEUDO[1:], (b":protocol", b"websocket"), (b"x-a", b"b")])
    from_extended_connect(headers)
    assert (headers.method, headers.protocol) == (b"GET", b"")
    assert headers.fields == [(b"x-a", b"b"), (b"upgrade", b"websocket"), (b"connection", b"upgrade")]
    back = as_extended_connect(headers)
    assert (back.method, back.protocol, back.fields) == (b"CONNECT", b"websocket", [(b"x-a", b"b")])
    assert headers.method == b"GET"  # the log tells what was asked for


def test_a_plain_connect_stays_one() -> None:
    headers = RequestHeaders(b"CONNECT", b"", b"h.test:443")
    from_extended_connect(headers)
    assert (headers.method, headers.fields) == (b"CONNECT", [])


def test_only_success_switches() -> None:
    granted, refused = ResponseHeaders(200), ResponseHeaders(404)
    as_switching(granted, b"websocket")
    as_switching(refused, b"websocket")
    assert (granted.status, granted.fields) == (101, [(b"upgrade", b"websocket"), (b"connection", b"upgrade")])
    assert (refused.status, refused.fields) == (404, [])


def test_a_tunnel_has_no_length() -> None:
    fields = [(b"content-length", b"2"), (b"upgrade", b"x"), (b"connection", b"upgrade"), (b"x-a", b"b")]
    assert tunnel_fields(ResponseHeaders(101, fields)) == [(b":status", b"200"), (b"x-a", b"b")]
    assert tunnel_fields(ResponseHeaders(204, fields)) == [(b":status", b"204"), (b"x-a", b"b")]
