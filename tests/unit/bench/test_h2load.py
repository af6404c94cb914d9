"""Reading h2load's report."""

from __future__ import annotations

from bench.h2load import parse

REPORT = """
finished in 2.50s, 14457.00 req/s, 3.05MB/s
requests: 14457 total, 14465 started, 14457 done, 14450 succeeded, 7 failed, 0 errored, 0 timeout
status codes: 14450 2xx, 0 3xx, 0 4xx, 7 5xx
"""


def test_a_report_and_its_log() -> None:
    result = parse(REPORT, [f"1795431543490516\t200\t{number * 1000}\n" for number in range(100, 0, -1)])
    assert (result.requests, result.seconds, result.errors) == (14457, 2.5, 7)
    assert (result.p50_ms, result.p99_ms) == (51.0, 100.0)


def test_other_units() -> None:
    assert parse(REPORT.replace("2.50s", "500.00ms"), []).seconds == 0.5
