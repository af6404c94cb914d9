"""From pressure to the level of an action."""

from __future__ import annotations

import pytest

from dataplane.resilience.overload import Trigger


@pytest.mark.parametrize(("pressure", "level"), [(0.0, 0.0), (0.89, 0.0), (0.9, 1.0), (2.0, 1.0)])
def test_a_threshold_is_reached_or_not(pressure: float, level: float) -> None:
    assert Trigger(0.9, 0.9).level(pressure) == level


@pytest.mark.parametrize(("pressure", "level"), [(0.4, 0.0), (0.5, 0.0), (0.75, 0.5), (1.0, 1.0), (1.5, 1.0)])
def test_a_scaled_trigger_grows(pressure: float, level: float) -> None:
    assert Trigger(0.5, 1.0).level(pressure) == pytest.approx(level)
