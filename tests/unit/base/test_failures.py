"""Failures in a row: several processes that count together come to what one alone would."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from dataplane.base.failures import CELLS, ERRORS, GATEWAY_ERRORS, KINDS, LOCAL_FAILURES, LocalFailures, SharedFailures

PROCESSES = 3


def shared() -> list[SharedFailures]:
    """The same host as each process counts it."""
    cells = memoryview(array("q", bytes(8 * CELLS * PROCESSES)))
    every = [number * CELLS for number in range(PROCESSES)]
    return [SharedFailures(cells, own, every) for own in every]


events = st.lists(
    st.tuples(
        st.integers(0, PROCESSES - 1), st.sampled_from([*(("add", kind) for kind in KINDS), ("end", ERRORS), ("success", 0)])
    )
)


@given(events)
def test_whoever_sees_what_the_rows_are_those_of_one_process(seen: list[tuple[int, tuple[str, int]]]) -> None:
    alone, together = LocalFailures(), shared()
    for process, (what, kind) in seen:
        if what == "add":
            # An error of the gateway is an error, too: so is what detection counts.
            kinds = (kind, ERRORS) if kind == GATEWAY_ERRORS else (kind,)
            for each in kinds:
                assert together[process].add(each) == alone.add(each)
        elif what == "end":
            alone.end(kind)
            together[process].end(kind)
        else:
            alone.succeeded()
            together[process].succeeded()


def test_a_success_leaves_failures_to_connect_alone() -> None:
    one, other, _ = shared()
    one.add(LOCAL_FAILURES)
    other.succeeded()
    assert other.add(LOCAL_FAILURES) == 2
    one.end(LOCAL_FAILURES)
    assert other.add(LOCAL_FAILURES) == 1


def test_a_row_that_another_process_ended_is_over_for_the_one_that_began_it() -> None:
    one, other, third = shared()
    assert [one.add(ERRORS), other.add(ERRORS), one.add(ERRORS)] == [1, 2, 3]
    third.succeeded()
    assert [one.add(ERRORS), other.add(ERRORS)] == [1, 2]
