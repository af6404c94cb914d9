"""From pressure to how much of an action is taken.  No clock, no measuring.  Envoy: config.overload.v3.Trigger."""

from __future__ import annotations

from dataclasses import dataclass


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
