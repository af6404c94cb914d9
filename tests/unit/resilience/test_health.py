from __future__ import annotations

import pytest

from dataplane.resilience.health import CheckedHealth, CheckIntervals, PayloadMatch, Transition

UNCHANGED, PENDING, CHANGED = Transition.UNCHANGED, Transition.PENDING, Transition.CHANGED


def healthy_host() -> CheckedHealth:
    health = CheckedHealth(healthy_threshold=2, unhealthy_threshold=3)
    health.succeeded()
    return health


def test_a_host_begins_as_failed_and_the_first_result_decides() -> None:
    health = CheckedHealth(healthy_threshold=3, unhealthy_threshold=3)
    assert health.failed
    assert health.succeeded() is CHANGED
    assert not health.failed
    assert CheckedHealth(3, 3).did_not(at_once=False) is UNCHANGED


def test_a_host_that_began_badly_must_reach_the_threshold() -> None:
    health = CheckedHealth(healthy_threshold=2, unhealthy_threshold=3)
    health.did_not(at_once=False)
    assert [health.succeeded(), health.failed, health.succeeded(), health.failed] == [PENDING, True, CHANGED, False]


def test_failures_in_a_row_make_a_host_fail() -> None:
    health = healthy_host()
    assert [health.did_not(at_once=False) for _ in range(4)] == [PENDING, PENDING, CHANGED, UNCHANGED]
    assert health.failed


def test_a_success_between_failures_begins_the_count_anew() -> None:
    health = healthy_host()
    health.did_not(at_once=False)
    health.did_not(at_once=False)
    assert health.succeeded() is UNCHANGED
    assert health.did_not(at_once=False) is PENDING
    assert not health.failed


def test_a_host_that_says_no_fails_at_once() -> None:
    health = healthy_host()
    assert health.did_not(at_once=True) is CHANGED
    assert health.failed


def test_a_failure_between_successes_begins_the_count_anew() -> None:
    health = CheckedHealth(healthy_threshold=2, unhealthy_threshold=1)
    health.did_not(at_once=False)
    health.succeeded()
    health.did_not(at_once=False)
    assert health.succeeded() is PENDING


@pytest.mark.parametrize(
    ("healthy", "transition", "had_traffic", "expected"),
    [
        (True, UNCHANGED, True, 1.0),
        (True, CHANGED, True, 1.0),
        (False, UNCHANGED, True, 2.0),
        (True, PENDING, True, 3.0),
        (False, PENDING, True, 4.0),
        (False, UNCHANGED, False, 5.0),
        (True, UNCHANGED, False, 6.0),
    ],
)
def test_the_interval_depends_on_what_is_going_on(
    healthy: bool, transition: Transition, had_traffic: bool, expected: float
) -> None:
    intervals = CheckIntervals(1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    assert intervals.next_delay(healthy, transition, had_traffic, 0.9) == expected


def test_jitter_is_added() -> None:
    intervals = CheckIntervals(10.0, 10.0, 10.0, 10.0, jitter=2.0, jitter_fraction=0.5)
    assert intervals.next_delay(True, UNCHANGED, True, 0.0) == 10.0
    assert intervals.next_delay(True, UNCHANGED, True, 0.5) == 13.5


def test_payloads_come_in_order_with_anything_between() -> None:
    match = PayloadMatch((b"abc", b"d"))
    assert not match.feed(b"d..ab")
    assert not match.feed(b"c..")
    assert match.feed(b"...d...")
    assert PayloadMatch((b"a", b"b")).feed(b"xaybz")
    assert not PayloadMatch((b"b", b"a")).feed(b"ab")
    assert PayloadMatch(()).feed(b"")
