"""Deadlines of one event loop: one timer for all of them instead of one each.

Here: arming, cancelling, firing, in coarse ticks, never early.  Not here: a loop or a clock; both come as plain functions, so
`DeadlineWheel(loop.time, loop.call_at)` is a real one.
A deadline that is over, cancelled or fired, holds its callback no more: its owner, which holds the deadline, would be a cycle.
A deadline that moves with every byte (an idle timeout) is not re-armed per byte: let it fire, compare with the last activity, arm the rest.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final, Protocol

# The finest that configuration can say.  Back-offs of retries are a few milliseconds; ticks that hold nothing cost nothing.
RESOLUTION: Final = 0.001

# Ticks may be this many, and then twice as many as last time, before those that hold nothing any more are looked for.
_FEW_TICKS: Final = 1024


def _over() -> None:
    """The callback of a deadline that is over."""


class Timer(Protocol):
    """What a loop returns for one timer."""

    def cancel(self) -> None: ...


class Deadline:
    """One armed deadline.  `cancel` may be called at any time, also from within a callback, and twice."""

    __slots__ = ("_bucket", "callback")

    def __init__(self, callback: Callable[[], None], bucket: dict[Deadline, None]) -> None:
        self.callback = callback
        self._bucket = bucket

    def cancel(self) -> None:
        self._bucket.pop(self, None)
        self.callback = _over


class DeadlineWheel:
    """All deadlines of a loop.  An exception out of a callback ends neither the tick nor the wheel; it is raised after the tick."""

    __slots__ = ("_buckets", "_call_at", "_clock", "_most_ticks", "_resolution", "_ticks", "_timer", "_wake_tick")

    def __init__(
        self, clock: Callable[[], float], call_at: Callable[[float, Callable[[], None]], Timer], resolution: float = RESOLUTION
    ) -> None:
        self._clock = clock
        self._call_at = call_at
        self._resolution = resolution
        self._buckets: dict[int, dict[Deadline, None]] = {}
        self._ticks: list[int] = []  # a heap of the keys of _buckets
        self._most_ticks = _FEW_TICKS
        self._wake_tick = 0  # the tick that the loop was asked to wake us for; 0: none
        self._timer: Timer | None = None

    def __len__(self) -> int:
        return sum(map(len, self._buckets.values()))

    def arm(self, delay: float, callback: Callable[[], None]) -> Deadline:
        """Call *callback* once, *delay* seconds from now or up to one resolution and a half later."""
        tick = int((self._clock() + delay) / self._resolution) + 1
        bucket = self._buckets.get(tick)
        if bucket is None:
            bucket = self._open(tick)
        deadline = Deadline(callback, bucket)
        bucket[deadline] = None
        return deadline

    def _open(self, tick: int) -> dict[Deadline, None]:
        if len(self._ticks) >= self._most_ticks:
            self._drop_empty()
        bucket = self._buckets[tick] = {}
        heapq.heappush(self._ticks, tick)
        if not self._wake_tick or tick < self._wake_tick:
            self._wake_at(tick)
        return bucket

    def _drop_empty(self) -> None:
        """Nearly all deadlines are cancelled, long before their time: what is left of them must not wait for it."""
        self._buckets = {tick: bucket for tick, bucket in self._buckets.items() if bucket}
        self._ticks = sorted(self._buckets)
        self._most_ticks = max(_FEW_TICKS, 2 * len(self._ticks))

    def _wake_at(self, tick: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._wake_tick = tick
        self._timer = self._call_at(tick * self._resolution, self.advance)

    def advance(self) -> None:
        """Fire everything that is due.  The loop calls this; an extra call does no harm."""
        now = self._clock()
        failures: list[Exception] = []
        while self._ticks and self._ticks[0] * self._resolution <= now:
            bucket = self._buckets.pop(heapq.heappop(self._ticks))
            while bucket:
                deadline = next(iter(bucket))
                del bucket[deadline]
                callback, deadline.callback = deadline.callback, _over
                try:
                    callback()
                except Exception as failure:
                    failures.append(failure)
        self._wake_again()
        if failures:
            raise failures[0]

    def _wake_again(self) -> None:
        while self._ticks and not self._buckets[self._ticks[0]]:
            del self._buckets[heapq.heappop(self._ticks)]
        if self._ticks:
            self._wake_at(self._ticks[0])
        else:
            self._wake_tick = 0
