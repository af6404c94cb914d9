"""From pressure to how much of an action is taken, and what that means for times and for who holds memory.  No clock, no measuring.

Envoy: config.overload.v3.{Trigger, ScaleTimersOverloadActionConfig, BufferFactoryConfig}.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Trigger:
    """Nothing below *start*, all from *full* on, in proportion between them; a threshold has both at one place."""

    start: float
    full: float

    def level(self, pressure: float) -> float:
        """0.0 to 1.0."""
        if pressure >= self.full:
            return 1.0
        if pressure <= self.start:
            return 0.0
        return (pressure - self.start) / (self.full - self.start)


@dataclass(frozen=True, slots=True)
class LeastTime:
    """What a time may be reduced to: so many seconds, or that part of the time itself.  Envoy: ScaleTimer.{min_timeout, min_scale}."""

    seconds: float = 0.0
    part: float = 0.0

    def reduced(self, full: float, level: float) -> float:
        """level: 0.0 leaves *full* as it is, 1.0 gives the least."""
        least = min(full, max(self.seconds, full * self.part))
        return least + (full - least) * (1.0 - level)


_SIZES: Final = 8  # powers of two that are told apart; what is larger is in the last
_MOST_AT_ONCE: Final = 50


def to_give_up(held: Sequence[int], smallest_power: int, level: float) -> list[int]:
    """Which of those that hold so many bytes have to give up, the largest first.  Indices into *held*.

    smallest_power: who holds less than two to this power of bytes is left alone.  level: the higher, the smaller ones have to.
    Envoy: WatermarkBufferFactory::resetAccountsGivenPressure.
    """
    first = smallest_power + _SIZES - min(int(level * _SIZES) + 1, _SIZES)
    found = [index for index, size in enumerate(held) if size >> smallest_power and size.bit_length() - 1 >= first]
    return sorted(found, key=held.__getitem__, reverse=True)[:_MOST_AT_ONCE]
