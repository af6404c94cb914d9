from __future__ import annotations

import tracemalloc
import weakref
from collections.abc import Callable

import pytest

from dataplane.base.deadlines import RESOLUTION, DeadlineWheel
from tests.support.collector import no_collector


class FakeTimer:
    def __init__(self, timers: list[FakeTimer], when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback = callback
        self._timers = timers

    def cancel(self) -> None:
        if self in self._timers:
            self._timers.remove(self)


class FakeLoop:
    """A clock and its timers.  `run_until` lets time pass from timer to timer."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[FakeTimer] = []
        self.wakes = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> FakeTimer:
        self.timers.append(FakeTimer(self.timers, when, callback))
        return self.timers[-1]

    def run_until(self, end: float) -> None:
        while due := [timer for timer in self.timers if timer.when <= end]:
            timer = min(due, key=lambda entry: entry.when)
            self.timers.remove(timer)
            self.now = max(self.now, timer.when)
            self.wakes += 1
            timer.callback()
        self.now = end


def wheel_on(loop: FakeLoop) -> DeadlineWheel:
    return DeadlineWheel(loop.time, loop.call_at)


def test_fires_once_and_never_early() -> None:
    loop = FakeLoop()
    wheel = wheel_on(loop)
    fired: list[float] = []
    for delay in (0.0, 0.005, 0.25, 1.0, 15.0):
        wheel.arm(delay, lambda due=100.0 + delay: fired.append(loop.now - due))
    loop.run_until(200.0)
    assert len(fired) == 5
    assert all(0 <= late <= 1.5 * RESOLUTION for late in fired)
    assert len(wheel) == 0
    assert not loop.timers


def test_a_cancelled_deadline_does_not_fire() -> None:
    loop = FakeLoop()
    wheel = wheel_on(loop)
    fired: list[str] = []
    kept = wheel.arm(1.0, lambda: fired.append("kept"))
    dropped = wheel.arm(1.0, lambda: fired.append("dropped"))
    dropped.cancel()
    dropped.cancel()
    assert len(wheel) == 1
    loop.run_until(110.0)
    kept.cancel()
    assert fired == ["kept"]


class Owner:
    """Holds its deadline, whose callback holds the owner."""

    def __init__(self, wheel: DeadlineWheel) -> None:
        self.deadline = wheel.arm(1.0, self.on_time)

    def on_time(self) -> None:
        pass


def test_a_deadline_that_is_over_holds_nobody() -> None:
    loop = FakeLoop()
    wheel = wheel_on(loop)
    with no_collector():
        fired, cancelled = Owner(wheel), Owner(wheel)
        cancelled.deadline.cancel()
        loop.run_until(110.0)
        gone = weakref.ref(fired), weakref.ref(cancelled)
        del fired, cancelled
        assert [ref() for ref in gone] == [None, None]


def test_cancelling_and_arming_from_within_a_callback() -> None:
    loop = FakeLoop()
    wheel = wheel_on(loop)
    fired: list[str] = []

    def first() -> None:
        second.cancel()
        wheel.arm(0.0, lambda: fired.append("armed inside"))
        fired.append("first")

    wheel.arm(1.0, first)
    second = wheel.arm(1.0, lambda: fired.append("second"))
    loop.run_until(110.0)
    assert fired == ["first", "armed inside"]


def test_an_earlier_deadline_wakes_earlier() -> None:
    loop = FakeLoop()
    wheel = wheel_on(loop)
    fired: list[float] = []
    wheel.arm(10.0, lambda: fired.append(loop.now))
    wheel.arm(1.0, lambda: fired.append(loop.now))
    loop.run_until(120.0)
    assert fired == [pytest.approx(101.0, abs=0.02), pytest.approx(110.0, abs=0.02)]


def test_the_loop_never_holds_more_than_one_timer() -> None:
    loop = FakeLoop()
    wheel = wheel_on(loop)
    for round_ in range(20):
        for delay in (10.0, 1.0, 5.0):
            wheel.arm(delay, lambda: None)
        loop.run_until(101.0 + round_)
        assert len(loop.timers) <= 1


def test_a_timer_that_comes_early_is_set_again() -> None:
    loop = FakeLoop()
    wheel = wheel_on(loop)
    fired: list[float] = []
    wheel.arm(1.0, lambda: fired.append(loop.now))
    early = loop.timers.pop()
    loop.now = early.when - 0.001
    early.callback()
    loop.run_until(102.0)
    assert len(fired) == 1


def test_many_deadlines_share_few_wakes() -> None:
    loop = FakeLoop()
    wheel = wheel_on(loop)
    fired = []
    for number in range(1000):
        wheel.arm(1.0 + number / 1e6, lambda: fired.append(1))
    loop.run_until(110.0)
    assert len(fired) == 1000
    assert loop.wakes <= 3


def test_nothing_is_asked_of_the_loop_for_cancelled_deadlines() -> None:
    loop = FakeLoop()
    wheel = wheel_on(loop)
    for delay in range(1, 50):
        wheel.arm(float(delay), lambda: None).cancel()
    loop.run_until(101.5)
    assert not loop.timers


def test_what_is_cancelled_long_before_its_time_is_forgotten() -> None:
    """A connection's idle time is an hour; connections that live for a second must not leave something for that long."""
    loop = FakeLoop()
    wheel = wheel_on(loop)
    fired: list[str] = []
    wheel.arm(1.0, lambda: fired.append("first"))
    tracemalloc.start()
    try:
        for number in range(20_000):
            wheel.arm(3600.0 + number / 100, lambda: None).cancel()
        wheel.arm(7200.0, lambda: fired.append("last"))
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left < 1_000_000
    assert len(wheel) == 2
    loop.run_until(7400.0)
    assert fired == ["first", "last"]


def test_a_failing_callback_does_not_keep_the_others_from_firing() -> None:
    loop = FakeLoop()
    wheel = wheel_on(loop)
    fired: list[str] = []

    def fail() -> None:
        raise RuntimeError("ours")

    wheel.arm(1.0, fail)
    wheel.arm(1.0, lambda: fired.append("same tick"))
    wheel.arm(2.0, lambda: fired.append("later"))
    with pytest.raises(RuntimeError, match="ours"):
        loop.run_until(101.5)
    loop.run_until(110.0)
    assert fired == ["same tick", "later"]
