"""From pressure to the level of an action."""

from __future__ import annotations

import pytest

from dataplane.resilience.overload import LeastTime, Trigger, to_give_up


@pytest.mark.parametrize(("pressure", "level"), [(0.0, 0.0), (0.89, 0.0), (0.9, 1.0), (2.0, 1.0)])
def test_a_threshold_is_reached_or_not(pressure: float, level: float) -> None:
    assert Trigger(0.9, 0.9).level(pressure) == level


@pytest.mark.parametrize(("pressure", "level"), [(0.4, 0.0), (0.5, 0.0), (0.75, 0.5), (1.0, 1.0), (1.5, 1.0)])
def test_a_scaled_trigger_grows(pressure: float, level: float) -> None:
    assert Trigger(0.5, 1.0).level(pressure) == pytest.approx(level)


@pytest.mark.parametrize(
    ("least", "level", "expected"),
    [
        (LeastTime(seconds=2.0), 0.0, 10.0),
        (LeastTime(seconds=2.0), 0.5, 6.0),
        (LeastTime(seconds=2.0), 1.0, 2.0),
        (LeastTime(seconds=20.0), 1.0, 10.0),
        (LeastTime(part=0.3), 1.0, 3.0),
        (LeastTime(), 1.0, 0.0),
    ],
)
def test_times_shrink_towards_their_least(least: LeastTime, level: float, expected: float) -> None:
    assert least.reduced(10.0, level) == pytest.approx(expected)


def test_who_holds_most_gives_up_first() -> None:
    held = [1 << 10, 1 << 14, 1 << 17, (1 << 17) - 1, 1 << 30, 0]
    assert to_give_up(held, 10, 0.1) == [4, 2]
    assert to_give_up(held, 10, 0.2) == [4, 2, 3]
    assert to_give_up(held, 10, 1.0) == [4, 2, 3, 1, 0]
    assert to_give_up(held, 20, 1.0) == [4]


def test_at_most_fifty_give_up_at_once() -> None:
    assert to_give_up([1 << 20] * 60, 10, 1.0) == list(range(50))
