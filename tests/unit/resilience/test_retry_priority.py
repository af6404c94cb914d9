"""Retries that avoid the priorities of hosts that were tried."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.resilience.retry_priority import PreviousPriorities


def after(update_frequency: int, *tried: int) -> PreviousPriorities:
    priorities = PreviousPriorities(update_frequency)
    for priority in tried:
        priorities.on_tried(priority)
    return priorities


@pytest.mark.parametrize(
    ("update_frequency", "tried", "availability", "expected"),
    [
        (1, (), (100, 100), None),
        (2, (0,), (100, 100), None),
        (1, (0,), (100, 100), [0, 100]),
        (1, (0,), (100, 50, 100), [0, 50, 50]),
        (1, (0,), (100, 33, 33, 33), [0, 34, 33, 33]),
        (1, (0,), (100, 10), [0, 100]),
        (1, (0,), (0, 0), None),
        (1, (7,), (100, 100), [100, 0]),
    ],
)
def test_loads(update_frequency: int, tried: tuple[int, ...], availability: tuple[int, ...], expected: list[int] | None) -> None:
    assert after(update_frequency, *tried).loads(availability) == expected


def test_when_all_were_tried_all_begin_anew() -> None:
    priorities = after(1, 0)
    assert priorities.loads((100, 100)) == [0, 100]
    priorities.on_tried(1)
    assert priorities.loads((100, 100)) == [100, 0]
    assert priorities.loads((100, 100)) is None
    priorities.on_tried(0)
    assert priorities.loads((100, 100)) == [0, 100]


def test_between_updates_the_last_loads_stay() -> None:
    priorities = after(2, 0, 0)
    assert priorities.loads((100, 100)) == [0, 100]
    priorities.on_tried(1)
    assert priorities.loads((100, 100)) == [0, 100]


@given(st.lists(st.integers(0, 100), min_size=1, max_size=5), st.lists(st.integers(0, 5), min_size=1, max_size=4))
def test_loads_add_up_and_go_to_nobody_who_can_carry_nothing(availability: list[int], tried: list[int]) -> None:
    loads = after(1, *tried).loads(availability)
    if loads is None:
        assert not any(availability)
    else:
        assert sum(loads) == 100
        assert not any(load for load, available in zip(loads, availability, strict=True) if not available)
