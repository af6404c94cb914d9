"""Limits of whole streams.  Every expectation was seen with Envoy (tests/differential/cases/timeouts/grpc_timeouts.yaml)."""

from __future__ import annotations

import pytest

from dataplane.routing.stream_duration import GrpcTimeout, StreamDuration
from dataplane.semantics.header_map import RequestHeaders


def call(timeout: bytes | None, content_type: bytes = b"application/grpc") -> RequestHeaders:
    asked = [] if timeout is None else [(b"grpc-timeout", timeout)]
    return RequestHeaders(b"POST", b"/s/m", b"h", fields=[(b"content-type", content_type), *asked])


@pytest.mark.parametrize(
    ("limit", "default_ms", "asked", "expected", "told"),
    [
        (StreamDuration(), 0, b"300m", None, b"300m"),
        (StreamDuration(), 2000, b"300m", 2000, b"2000m"),
        (StreamDuration(0), 2000, b"300m", None, None),
        (StreamDuration(0), 0, b"300m", None, b"300m"),
        (StreamDuration(2000), 0, b"3S", 2000, b"2000m"),
        (StreamDuration(2000, 1000), 0, None, 2000, b"2000m"),
        (StreamDuration(None, 1000), 0, b"5S", 1000, b"1000m"),
        (StreamDuration(None, 0), 0, b"5S", 5000, b"5000m"),
        (StreamDuration(None, 1000, 100), 0, b"5S", 900, b"900m"),
        (StreamDuration(None, 1000, 400), 0, b"300m", 0, b"0m"),
        (StreamDuration(None, None, 100), 0, b"300m", None, b"300m"),
        (StreamDuration(None, 1000), 0, b"soon", None, b"soon"),
    ],
)
def test_limits(limit: StreamDuration, default_ms: int, asked: bytes | None, expected: int | None, told: bytes | None) -> None:
    headers = call(asked)
    assert limit.apply(headers, default_ms) == expected
    assert headers.get(b"grpc-timeout") == told


def test_other_requests_are_limited_and_left_as_they_are() -> None:
    headers = call(b"5S", b"text/plain")
    assert StreamDuration(None, 1000).apply(headers, 0) == 1000
    assert headers.get(b"grpc-timeout") == b"5S"


@pytest.mark.parametrize(
    ("timeout", "asked", "expected"),
    [
        (GrpcTimeout(1000), b"300m", 0.3),
        (GrpcTimeout(1000), b"5S", 1.0),
        (GrpcTimeout(1000), None, 1.0),
        (GrpcTimeout(0), None, 0.0),
        (GrpcTimeout(0), b"5S", 5.0),
        (GrpcTimeout(1000, 100), b"300m", 0.2),
        (GrpcTimeout(1000, 400), b"300m", 0.3),
    ],
)
def test_deprecated_limits(timeout: GrpcTimeout, asked: bytes | None, expected: float) -> None:
    assert timeout.seconds(call(asked)) == expected
