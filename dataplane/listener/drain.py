"""Draining: when an answer should ask its connection to end.

Here: the decision, as a function of time and chance.  Not here: who starts a drain and when it is over (listener.manager).
Envoy: operations/draining; `--drain-time-s`, `--drain-strategy`.
"""

from __future__ import annotations

from collections.abc import Callable
from random import random as _random


class Drain:
    """One drain, shared by all connections it concerns.  Gradual: they are asked to go spread over the drain time."""

    __slots__ = ("_duration", "_random", "_started_at")

    by_overload = False

    def __init__(self, started_at: float, duration: float, random: Callable[[], float] = _random) -> None:
        """duration: seconds over which the connections are asked to close; 0 asks with the next answer."""
        self._started_at = started_at
        self._duration = duration
        self._random = random

    def should_close(self, now: float) -> bool:
        elapsed = now - self._started_at
        return elapsed >= self._duration or self._random() * self._duration < elapsed


class Shortage:
    """While resources run short answers ask their connections to end, by chance as far as that is so.  Envoy: disable_http_keepalive."""

    __slots__ = ("_random", "level")

    by_overload = True

    def __init__(self, level: float, random: Callable[[], float] = _random) -> None:
        self.level = level
        self._random = random

    def should_close(self, now: float) -> bool:
        return self._random() < self.level
