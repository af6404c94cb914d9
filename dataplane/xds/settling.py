"""Which wanted resources still have no answer, and until when each is waited for, without I/O.

A subscription has settled when every name it began with was answered (a value, a refusal, "there is none") or its time is up.
Not here: what waits for what across types (warming).
Envoy: config.core.v3.ConfigSource.initial_fetch_timeout.
"""

from __future__ import annotations

from collections.abc import Iterable

_NEVER = float("inf")


class Settling:
    """timeout: seconds from when a name is first wanted; 0 waits for ever."""

    __slots__ = ("_deadlines", "_timeout")

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout or _NEVER
        # All wait equally long, so the order of insertion is the order of the deadlines.
        self._deadlines: dict[str, float] = {}

    def expect(self, names: Iterable[str], now: float) -> None:
        for name in names:
            self._deadlines.setdefault(name, now + self._timeout)

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
        for name, deadline in self._deadlines.items():
            if deadline > now:
                break
            expired.append(name)
        self.forget(expired)
        return tuple(expired)

    def awaits(self, name: str) -> bool:
        return name in self._deadlines

    def next_deadline(self) -> float | None:
        deadline = next(iter(self._deadlines.values()), _NEVER)
        return None if deadline == _NEVER else deadline
