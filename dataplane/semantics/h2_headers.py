"""Header lists of HTTP/2 to ours and back: pseudo-headers, `host`, cookies.

Here: conversions, those between upgrades and extended CONNECT too.  The protocol library has checked order, names and values before
(RFC 9113 section 8.2, 8.3).
Not here: what a proxy takes off a message (hop_by_hop).
Envoy: Http2::ConnectionImpl::saveHeader; cookies are joined (RFC 9113 section 8.2.3), `host` counts only without `:authority`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from dataplane.semantics import noticed
from dataplane.semantics.header_map import Field, HeaderMap, RequestHeaders, ResponseHeaders

_COLON: Final = ord(":")
_STATUS: Final = {status: (b":status", b"%d" % status) for status in range(100, 600)}
_CODES: Final = {value: status for status, (_, value) in _STATUS.items()}
_SPECIAL: Final = frozenset({b"host", b"cookie"}) | noticed.REQUEST
_OF_UPGRADES: Final = frozenset({b"connection", b"upgrade"})
_NOT_IN_TUNNELS: Final = _OF_UPGRADES | {b"content-length"}


def request_headers(received: tuple[Field, ...]) -> tuple[RequestHeaders, int]:
    """A request's head, and its size as Envoy counts it: names and values."""
    headers = RequestHeaders(b"", b"", b"", b"http", [])
    fields, size, special = headers.fields, 0, []
    for field in received:
        name, value = field
        size += len(name) + len(value)
        if name[0] != _COLON:
            fields.append(field)
            if name in _SPECIAL:
                special.append(name)
        elif name == b":path":
            headers.path = value
        elif name == b":method":
            headers.method = value
        elif name == b":authority":
            headers.authority = value
        elif name == b":scheme":
            headers.scheme = value
        elif name == b":protocol":
            headers.protocol = value
    if special:
        _take_host(headers)
        _join_cookies(headers)
        special = [name for name in special if name in noticed.REQUEST]
    headers.noticed = tuple(special)
    return headers, size


def _take_host(headers: RequestHeaders) -> None:
    host = headers.get(b"host")
    if host is not None:
        headers.authority = headers.authority or host
        headers.remove(b"host")


def _join_cookies(headers: HeaderMap) -> None:
    cookies = headers.get_all(b"cookie")
    if len(cookies) > 1:
        headers.set(b"cookie", b"; ".join(cookies))


def response_headers(received: tuple[Field, ...]) -> ResponseHeaders:
    """A response's head.  `:status` comes first; the library checked that it is a number of three digits."""
    status, fields = received[0][1], list(received[1:])
    return ResponseHeaders(_CODES.get(status) or int(status), fields, noticed.among(noticed.RESPONSE, fields))


def header_bytes(received: tuple[Field, ...]) -> int:
    """The size of a header list as Envoy counts it."""
    size = 0
    for name, value in received:
        size += len(name) + len(value)
    return size


def declares_length(received: Iterable[Field]) -> bool:
    """Whether a head says how long its body is.

    The library closes a stream whose body is of another length as it closes one with broken trailers, and does not say which it was.  Envoy
    tells them apart: the first costs the stream, the second the connection.  Trailers behind a body of declared length are rare, broken ones
    more so: a stream that has said a length is taken to be the first.
    """
    return any(name == b"content-length" for name, _ in received)


def request_fields(headers: RequestHeaders) -> list[Field]:
    """What is sent for a request.  A CONNECT has neither path nor scheme unless it is an extended one."""
    if headers.method == b"CONNECT" and not headers.protocol:
        return [(b":method", b"CONNECT"), (b":authority", headers.authority), *headers.fields]
    protocol = ((b":protocol", headers.protocol),) if headers.protocol else ()
    return [
        (b":method", headers.method),
        (b":path", headers.path),
        (b":scheme", headers.scheme),
        (b":authority", headers.authority),
        *protocol,
        *headers.fields,
    ]


def from_extended_connect(headers: RequestHeaders) -> None:
    """An extended CONNECT (RFC 8441) becomes the HTTP/1.1 upgrade that means the same; any other CONNECT stays what it is."""
    if headers.protocol:
        headers.method = b"GET"
        headers.fields += ((b"upgrade", headers.protocol), (b"connection", b"upgrade"))
        headers.protocol = b""


def as_extended_connect(headers: RequestHeaders) -> RequestHeaders:
    """The other way, for a request that asks for an upgrade."""
    kept = [field for field in headers.fields if field[0] not in _OF_UPGRADES]
    protocol = headers.get(b"upgrade") or b""
    return RequestHeaders(b"CONNECT", headers.path, headers.authority, headers.scheme, kept, protocol)


def as_switching(headers: ResponseHeaders, protocol: bytes) -> None:
    """The success of an extended CONNECT becomes the answer to the upgrade it was made of.  protocol: what was asked for."""
    if headers.status == 200:
        headers.status = 101
        headers.noticed = None
        headers.fields += ((b"upgrade", protocol), (b"connection", b"upgrade"))


def tunnel_fields(headers: ResponseHeaders) -> list[Field]:
    """What is sent for a response that grants a tunnel: 200 in the place of 101, and no length."""
    status = 200 if headers.status == 101 else headers.status
    return [_STATUS[status], *(field for field in headers.fields if field[0] not in _NOT_IN_TUNNELS)]


def response_fields(headers: ResponseHeaders) -> list[Field]:
    """What is sent for a response."""
    status = headers.status
    return [_STATUS.get(status) or (b":status", b"%d" % status), *headers.fields]
