"""Retry policies: what they allow, and what request headers make of them."""

from __future__ import annotations

import pytest

from dataplane.resilience.retry import WORDS, RateLimitedBackOff, ResetHeader, RetryPolicy, parse_retry_on, policy_for
from dataplane.semantics.header_map import HeaderMap, RequestHeaders, ResponseHeaders


def request(**headers: str) -> RequestHeaders:
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return RequestHeaders(b"GET", b"/", b"h", fields=fields)


def response(status: int = 200, **headers: str) -> ResponseHeaders:
    return ResponseHeaders(status, [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()])


def policy(words: str, **fields: object) -> RetryPolicy:
    return RetryPolicy(retry_on=parse_retry_on(words), **fields)  # type: ignore[arg-type]  # the fields differ in type


def has_x(headers: HeaderMap) -> bool:
    return b"x" in headers


def test_unknown_words_count_for_nothing() -> None:
    assert parse_retry_on(" 5xx , nonsense,,reset") == WORDS["5xx"] | WORDS["reset"]
    assert parse_retry_on("") == 0


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        ("5xx", 500, True),
        ("5xx", 599, True),
        ("5xx", 499, False),
        ("gateway-error", 502, True),
        ("gateway-error", 504, True),
        ("gateway-error", 500, False),
        ("retriable-4xx", 409, True),
        ("retriable-4xx", 404, False),
        ("retriable-status-codes", 418, True),
        ("retriable-status-codes", 500, False),
        ("connect-failure,reset", 503, False),
    ],
)
def test_statuses(words: str, status: int, expected: bool) -> None:
    assert policy(words, retriable_status_codes=frozenset({418})).after_response(response(status)) is expected


def test_a_rate_limited_response_is_its_own_case() -> None:
    limited = response(503, x_envoy_ratelimited="true")
    assert not policy("5xx").after_response(limited)
    assert policy("envoy-ratelimited").after_response(limited)


def test_response_headers() -> None:
    retriable = policy("retriable-headers", retriable_headers=(has_x,))
    assert retriable.after_response(response(x="1"))
    assert not retriable.after_response(response())


@pytest.mark.parametrize(("status", "expected"), [("14", True), ("1", False), ("99", False), ("0", False)])
def test_grpc_statuses(status: str, expected: bool) -> None:
    assert policy("unavailable").after_response(response(grpc_status=status)) is expected
    assert not policy("unavailable").after_response(response())


@pytest.mark.parametrize(
    ("words", "outcome", "expected"),
    [
        ("5xx", {}, True),
        ("gateway-error", {}, True),
        ("reset", {}, True),
        ("connect-failure", {}, False),
        ("connect-failure", {"connect_failure": True}, True),
        ("refused-stream", {"refused_stream": True}, True),
        ("refused-stream", {"connect_failure": True}, False),
        ("reset-before-request", {"request_sent": True}, False),
        ("reset-before-request", {"request_sent": False}, True),
        ("retriable-4xx", {"connect_failure": True, "refused_stream": True}, False),
    ],
)
def test_resets(words: str, outcome: dict[str, bool], expected: bool) -> None:
    facts = {"connect_failure": False, "refused_stream": False, "request_sent": True, **outcome}
    assert policy(words).after_reset(**facts) is expected


def test_the_back_off_doubles_up_to_its_bound() -> None:
    patient = policy("5xx", base_interval=0.1, max_interval=0.5)
    assert [patient.delay(retry, 1.0) for retry in (1, 2, 3, 4, 1000)] == [0.1, 0.2, 0.4, 0.5, 0.5]
    assert patient.delay(2, 0.0) == 0.0
    assert patient.delay(2, 0.5) == pytest.approx(0.1)


def test_a_rate_limited_back_off_takes_the_first_header_that_makes_sense() -> None:
    backoff = RateLimitedBackOff((ResetHeader(b"a"), ResetHeader(b"b", unix_timestamp=True)), max_interval=60.0)
    assert backoff.delay(response(a="5"), wall=1000.0) == 5
    assert backoff.delay(response(a="soon", b="1030"), wall=1000.0) == 30
    assert backoff.delay(response(a="61"), wall=1000.0) is None
    assert backoff.delay(response(b="999"), wall=1000.0) is None
    assert backoff.delay(response(), wall=1000.0) is None


def test_without_headers_the_policy_of_the_route_holds() -> None:
    own = policy("5xx")
    assert policy_for(own, request(other="x")) is own
    assert policy_for(None, request()) is None


def test_headers_add_to_the_policy() -> None:
    changed = policy_for(
        policy("5xx", num_retries=1, retriable_status_codes=frozenset({418})),
        request(
            x_envoy_retry_on="reset",
            x_envoy_retry_grpc_on="cancelled",
            x_envoy_max_retries="3",
            x_envoy_retriable_status_codes="420, x,421",
            x_envoy_retriable_header_names="A, b",
        ),
    )
    assert changed is not None
    assert changed.retry_on == WORDS["5xx"] | WORDS["reset"] | WORDS["cancelled"]
    assert changed.num_retries == 3
    assert changed.retriable_status_codes == {418, 420, 421}
    assert [matches(response(a="1")) for matches in changed.retriable_headers] == [True, False]


def test_headers_alone_may_ask_for_retries() -> None:
    asked = policy_for(None, request(x_envoy_retry_on="5xx"))
    assert asked is not None
    assert asked.num_retries == 1
    assert policy_for(None, request(x_envoy_max_retries="3")) is None
    assert policy_for(None, request(x_envoy_retry_on="nonsense")) is None


def test_a_policy_may_hold_for_some_requests_only() -> None:
    limited = policy("5xx", retriable_request_headers=(has_x,))
    assert policy_for(limited, request()) is None
    assert policy_for(limited, request(x="1")) is limited
    assert policy_for(limited, request(x_envoy_max_retries="2")) is None


def test_a_nonsensical_number_of_retries_changes_nothing() -> None:
    changed = policy_for(policy("5xx", num_retries=2), request(x_envoy_max_retries="many"))
    assert changed is not None
    assert changed.num_retries == 2
