"""gRPC over HTTP: which requests are gRPC, how long they say they may take, what a status means.

Not here: what a limit does (routing.stream_duration, routing.actions), statuses of our own answers (http.local_reply).
Spec: gRPC over HTTP/2, "Requests", "Timeout".
"""

from __future__ import annotations

from typing import Final

from dataplane.semantics.header_map import RequestHeaders

TIMEOUT: Final = b"grpc-timeout"
STATUS: Final = b"grpc-status"

_CONTENT_TYPE: Final = b"application/grpc"
_NANOSECONDS: Final = {b"n": 1, b"u": 1_000, b"m": 1_000_000, b"S": 10**9, b"M": 60 * 10**9, b"H": 3600 * 10**9}
_PER_MILLISECOND: Final = 1_000_000
_MAX_DIGITS: Final = 8
_HTTP_STATUS: Final = {
    b"0": 200,
    b"1": 499,
    b"3": 400,
    b"4": 504,
    b"5": 404,
    b"6": 409,
    b"7": 403,
    b"8": 429,
    b"9": 400,
    b"10": 409,
    b"11": 400,
    b"12": 501,
    b"14": 503,
    b"16": 401,
}


def is_grpc(headers: RequestHeaders) -> bool:
    kind = headers.get(b"content-type") or b""
    return kind.startswith(_CONTENT_TYPE) and kind[len(_CONTENT_TYPE) :][:1] in (b"", b"+")


def timeout_ms(headers: RequestHeaders) -> int | None:
    """The value of grpc-timeout, parts of a millisecond rounded up; None where it is missing or says nothing."""
    value = headers.get(TIMEOUT) or b""
    digits, unit = value[:-1], _NANOSECONDS.get(value[-1:])
    if unit is None or len(digits) > _MAX_DIGITS or not digits.isdigit():
        return None
    return -(-int(digits) * unit // _PER_MILLISECOND)


def format_timeout(milliseconds: int) -> bytes:
    """As grpc-timeout says it: in the finest unit, of milliseconds and more, that its eight digits have room for."""
    value, most = milliseconds, 10**_MAX_DIGITS - 1
    for unit, next_is in ((b"m", 1000), (b"S", 60), (b"M", 60)):
        if value <= most:
            return b"%d%b" % (value, unit)
        value //= next_is
    return b"%dH" % min(value, most)


def http_status(grpc_status: bytes) -> int:
    """The HTTP status that says the same.  Envoy: Grpc::Utility::grpcToHttpStatus."""
    return _HTTP_STATUS.get(grpc_status, 500)
