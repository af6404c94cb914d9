"""How much is given up, as the parts of the engine ask for it."""

from __future__ import annotations

from dataplane.api.overload import LoadShedPoint, OverloadLevels
from dataplane.observe.stats import StatsStore
from dataplane.resilience.overload import LeastTime


def test_a_point_sheds_by_chance_and_counts() -> None:
    store = StatsStore()
    chances = iter((0.2, 0.5, 0.7))
    point = LoadShedPoint(store.counter("shed"), lambda: next(chances))
    assert not point.sheds(), "nothing is shed below the threshold, and no chance is taken"
    point.level = 0.5
    assert [point.sheds() for _ in range(3)] == [True, False, False]
    assert store.counters["shed"].value == 1


def test_only_times_that_are_named_are_reduced() -> None:
    levels = OverloadLevels({}, {"HTTP_DOWNSTREAM_STREAM_IDLE": LeastTime(seconds=1.0)})
    assert levels.reduced("HTTP_DOWNSTREAM_STREAM_IDLE", 5.0) == 5.0
    levels.reduce_times = 1.0
    assert levels.reduced("HTTP_DOWNSTREAM_STREAM_IDLE", 5.0) == 1.0
    assert levels.reduced("HTTP_DOWNSTREAM_STREAM_IDLE", 0.0) == 0.0
    assert levels.reduced("HTTP_DOWNSTREAM_CONNECTION_IDLE", 5.0) == 5.0


def test_without_settings_nothing_is_reduced() -> None:
    assert not OverloadLevels().reduces_times
