"""Which requests are traced."""

from __future__ import annotations

import pytest

from dataplane.routing.trace_sampling import RequestIdOptions, TraceSampling, decide
from dataplane.semantics.header_map import RequestHeaders

DRAWN = 1_000_042
NEVER = TraceSampling(random=(0, 100))
SEVEN = b"00000007-feae-%b136-9e0e-6fac343d56c9"
CLIENT = (b"x-client-trace-id", b"x")
FORCED = (b"x-envoy-force-trace", b"x")


def request(request_id: bytes | None, *fields: tuple[bytes, bytes]) -> RequestHeaders:
    own = [] if request_id is None else [(b"x-request-id", request_id)]
    return RequestHeaders(b"GET", b"/", b"h", fields=[*own, *fields])


@pytest.mark.parametrize(
    ("before", "fields", "sampling", "after"),
    [
        (b"4", (), TraceSampling(), b"9"),
        (b"4", (), NEVER, b"4"),
        (b"9", (), NEVER, b"9"),
        (b"a", (), NEVER, b"a"),
        (b"7", (), NEVER, b"7"),
        (b"4", (CLIENT,), NEVER, b"b"),
        (b"4", (CLIENT, FORCED), NEVER, b"b"),
        (b"4", (CLIENT, FORCED), TraceSampling(client=(42, 100)), b"a"),
        (b"4", (CLIENT,), TraceSampling(client=(43, 100), random=(0, 1)), b"b"),
        (b"4", (FORCED,), NEVER, b"a"),
        (b"4", (), TraceSampling(random=(7, 10_000)), b"4"),
        (b"4", (), TraceSampling(random=(8, 10_000)), b"9"),
        (b"4", (), TraceSampling(overall=(7, 10_000)), b"4"),
        (b"9", (), TraceSampling(overall=(7, 10_000)), b"4"),
        (b"b", (), TraceSampling(overall=(8, 10_000)), b"b"),
    ],
)
def test_by_the_id(before: bytes, fields: tuple[tuple[bytes, bytes], ...], sampling: TraceSampling, after: bytes) -> None:
    headers = request(SEVEN % before, *fields)
    assert decide(headers, sampling, RequestIdOptions(), DRAWN) == (after if after != b"7" else b"4")
    assert headers.get(b"x-request-id") == SEVEN % after


@pytest.mark.parametrize("request_id", [None, b"", b"mine", b"0x000007-feae-4136-9e0e-6fac343d56c9", b"+0000007"])
def test_without_a_number_nothing_is_traced(request_id: bytes | None) -> None:
    headers = request(request_id)
    assert decide(headers, TraceSampling(), RequestIdOptions(), DRAWN) == b"4"
    assert headers.get(b"x-request-id") == request_id


def test_an_id_that_is_no_uuid_decides_and_stays() -> None:
    headers = request(b"00000007")
    assert decide(headers, TraceSampling(), RequestIdOptions(), DRAWN) == b"9"
    assert headers.get(b"x-request-id") == b"00000007"


def test_reasons_that_are_not_packed_are_neither_read_nor_written() -> None:
    headers = request(SEVEN % b"a")
    assert decide(headers, NEVER, RequestIdOptions(pack_trace_reason=False), DRAWN) == b"4"
    assert decide(headers, TraceSampling(), RequestIdOptions(pack_trace_reason=False), DRAWN) == b"9"
    assert headers.get(b"x-request-id") == SEVEN % b"a"


def test_everything_is_traced_where_the_id_does_not_decide() -> None:
    headers = request(SEVEN % b"4")
    assert decide(headers, NEVER, RequestIdOptions(decides=False), DRAWN) == b"9"
    assert headers.get(b"x-request-id") == SEVEN % b"4"
