"""Reading wrk's report."""

from __future__ import annotations

import pytest

from bench.wrk import parse

REPORT = """Running 5s test @ http://127.0.0.1:8080/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.41ms    1.00ms  21.42ms   93.30%
    Req/Sec    13.60k     1.37k   15.46k    72.00%
  Latency Distribution
     50%  930.00us
     75%    2.57ms
     90%    2.94ms
     99%    1.02s
  67706 requests in 5.01s, 16.08MB read
Requests/sec:  13525.32
Transfer/sec:      3.21MB
"""


def test_latencies_are_milliseconds() -> None:
    result = parse(REPORT)
    assert (result.requests, result.seconds, result.errors) == (67706, 5.01, 0)
    assert (result.p50_ms, result.p99_ms) == (0.93, 1020.0)
    assert result.per_second == pytest.approx(67706 / 5.01)


def test_minutes() -> None:
    assert parse(REPORT.replace("in 5.01s", "in 1.50m")).seconds == 90.0


def test_bad_answers_and_socket_errors_are_errors() -> None:
    errors = "  Socket errors: connect 1, read 2, write 0, timeout 4\n  Non-2xx or 3xx responses: 10\n"
    assert parse(REPORT + errors).errors == 17


def test_other_text_is_refused() -> None:
    with pytest.raises(AssertionError, match="not a report"):
        parse("unable to connect")
