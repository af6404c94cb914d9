"""Which requests are gRPC, and how long they may take."""

from __future__ import annotations

import pytest

from dataplane.semantics.grpc import format_timeout, http_status, is_grpc, timeout_ms
from dataplane.semantics.header_map import RequestHeaders


def request(name: bytes, value: bytes | None) -> RequestHeaders:
    return RequestHeaders(b"POST", b"/s/m", b"h", fields=[] if value is None else [(name, value)])


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        (b"application/grpc", True),
        (b"application/grpc+proto", True),
        (b"application/grpc-web", False),
        (b"application/json", False),
        (None, False),
    ],
)
def test_content_types(content_type: bytes | None, expected: bool) -> None:
    assert is_grpc(request(b"content-type", content_type)) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"2H", 7_200_000),
        (b"3M", 180_000),
        (b"4S", 4_000),
        (b"5m", 5),
        (b"1001u", 2),
        (b"1n", 1),
        (b"0n", 0),
        (b"99999999m", 99_999_999),
        (b"123456789m", None),
        (b"5", None),
        (b"m", None),
        (b"-5m", None),
        (b"5ms", None),
        (None, None),
    ],
)
def test_reading_a_timeout(value: bytes | None, expected: int | None) -> None:
    assert timeout_ms(request(b"grpc-timeout", value)) == expected


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        (0, b"0m"),
        (99_999_999, b"99999999m"),
        (100_000_000, b"100000S"),
        (72_000_000_000, b"72000000S"),
        (100_000_000_000, b"1666666M"),
        (99_999_999 * 60_000 + 60_000, b"1666666H"),
        (10**18, b"99999999H"),
    ],
)
def test_writing_a_timeout(milliseconds: int, expected: bytes) -> None:
    assert format_timeout(milliseconds) == expected


@pytest.mark.parametrize(("status", "expected"), [(b"0", 200), (b"1", 499), (b"2", 500), (b"14", 503), (b"99", 500), (b"x", 500)])
def test_the_http_status_of_a_grpc_status(status: bytes, expected: int) -> None:
    assert http_status(status) == expected
