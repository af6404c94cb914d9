"""What counts as a difference."""

from __future__ import annotations

from tests.differential.compare import differences, merge_chunks, normalise, sort_headers
from tests.differential.conversation import Outcome, Transcript

HEAD = b"HTTP/1.1 200 OK\r\ndate: Mon, 23 Nov 2026 09:03:31 GMT\r\nx-envoy-upstream-service-time: 6\r\n\r\n"
LATER = b"HTTP/1.1 200 OK\r\ndate: Tue, 24 Nov 2026 10:00:00 GMT\r\nx-envoy-upstream-service-time: 12\r\n\r\n"


def outcome(received: bytes, *, ended: bool = False) -> Outcome:
    return Outcome(clients={"client": Transcript(received, ended)})


def test_time_does_not_count() -> None:
    assert differences(outcome(HEAD), outcome(LATER)) == ""


def test_request_ids_do_not_count_but_other_values_do() -> None:
    uuid = b"x-request-id: 911f4b0f-0682-4459-8048-f9bdb4ab0b7d\r\n"
    assert normalise(uuid) == b"x-request-id: <uuid>\r\n"
    assert normalise(b"x-request-id: mine\r\n") == b"x-request-id: mine\r\n"


def test_order_counts() -> None:
    one, two = b"HTTP/1.1 200 OK\r\na: 1\r\nb: 2\r\n\r\n", b"HTTP/1.1 200 OK\r\nb: 2\r\na: 1\r\n\r\n"
    assert "-client got | 'b: 2'" in differences(outcome(one), outcome(two))
    assert sort_headers(one) == sort_headers(two)
    assert differences(outcome(one), outcome(two), ("sort headers",)) == ""


def test_closing_counts() -> None:
    assert differences(outcome(HEAD), outcome(HEAD, ended=True)) != ""


def test_a_date_that_is_not_a_header_counts() -> None:
    body = b"HTTP/1.1 200 OK\r\n\r\nMon, 23 Nov 2026 09:03:31 GMT"
    assert normalise(body) == body


def test_chunks_are_joined_only_on_demand() -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    two, one = head + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", head + b"5\r\nabcde\r\n0\r\n\r\n"
    assert differences(outcome(two), outcome(one)) != ""
    assert merge_chunks(two) == merge_chunks(one) == one


def test_logs_stats_and_stuck_steps_count() -> None:
    for different in (Outcome(access_log=["x"]), Outcome(stats={"a": 1}), Outcome(stuck=["client: eof"])):
        assert differences(Outcome(), different) != ""
