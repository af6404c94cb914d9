"""Which wanted resources still have no answer, and until when each is waited for, without I/O.

A name has settled when it was answered (a value, a refusal, "there is none") or its time is up.
Not here: what waits for what across types (warming).
Envoy: config.core.v3.ConfigSource.initial_fetch_timeout.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush

_NEVER = float("inf")


class Settling:
    """Deadlines by name."""

    __slots__ = ("_deadlines", "_queue")

    def __init__(self) -> None:
        self._deadlines: dict[str, float] = {}
        self._queue: list[tuple[float, str]] = []  # also has names that were answered since

    def expect(self, name: str, now: float, timeout: float) -> None:
        """Wait for the first answer.  timeout: seconds, 0 waits for ever."""
        if name not in self._deadlines:
            deadline = self._deadlines[name] = now + (timeout or _NEVER)
            heappush(self._queue, (deadline, name))

    def answered(self, names: Iterable[str]) -> tuple[str, ...]:
        """Note answers; returns the names that settled by them."""
        return tuple(name for name in names if self._deadlines.pop(name, None) is not None)

    def forget(self, names: Iterable[str]) -> None:
        """No longer wanted."""
        for name in names:
            self._deadlines.pop(name, None)

    def expire(self, now: float) -> tuple[str, ...]:
        """The names whose time is up; they settled without an answer."""
        expired: list[str] = []
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            _, name = heappop(self._queue)
            del self._deadlines[name]
            expired.append(name)
        return tuple(expired)

    def awaits(self, name: str) -> bool:
        return name in self._deadlines

    def next_deadline(self) -> float | None:
        queue = self._queue
        while queue and self._deadlines.get(queue[0][1]) != queue[0][0]:
            heappop(queue)
        return queue[0][0] if queue and queue[0][0] != _NEVER else None
