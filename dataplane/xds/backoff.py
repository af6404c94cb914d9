"""How long to wait before the next try, without clock or chance: jitter is an argument.

Envoy: config.core.v3.BackoffStrategy, exponential with full jitter.
"""

from __future__ import annotations

from typing import Final

# What Envoy uses for xDS streams unless retry_policy.retry_back_off says otherwise.
BASE_INTERVAL: Final = 0.5
MAX_INTERVAL: Final = 30.0


class Backoff:
    """Doubles the range of the delay with each try, up to max_interval.  Seconds."""

    __slots__ = ("_base", "_max", "_range")

    def __init__(self, base_interval: float = BASE_INTERVAL, max_interval: float = MAX_INTERVAL) -> None:
        self._base = min(base_interval, max_interval)
        self._max = max_interval
        self._range = self._base

    def next_delay(self, jitter: float) -> float:
        """jitter: sample in [0, 1) drawn by the caller."""
        delay = self._range * jitter
        self._range = min(self._range * 2, self._max)
        return delay

    def reset(self) -> None:
        """The peer was reached: the next failure starts from the bottom."""
        self._range = self._base
