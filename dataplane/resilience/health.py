"""Active health checks, the deciding part: what one result makes of a host's health, and when to check again.

Here: no clock, no sockets.  Not here: sending checks (upstream.health_check).
Envoy: config.core.v3.HealthCheck; HealthCheckerImplBase.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Transition(Enum):
    """What a result changed.  PENDING: it points the other way, but the threshold is not reached yet."""

    UNCHANGED = 0
    PENDING = 1
    CHANGED = 2


@dataclass(frozen=True, slots=True)
class CheckIntervals:
    """Seconds between checks.  no_traffic: while the cluster has never connected for a request.  edge: while a transition is pending."""

    healthy: float
    unhealthy: float
    healthy_edge: float
    unhealthy_edge: float
    no_traffic: float = 60.0
    no_traffic_healthy: float = 60.0
    jitter: float = 0.0  # seconds at most
    jitter_fraction: float = 0.0  # of the interval at most

    def next_delay(self, healthy: bool, transition: Transition, had_traffic: bool, chance: float) -> float:
        """healthy: the last result.  chance: sample in [0, 1)."""
        if not had_traffic:
            base = self.no_traffic_healthy if healthy else self.no_traffic
        elif transition is Transition.PENDING:
            base = self.healthy_edge if healthy else self.unhealthy_edge
        else:
            base = self.healthy if healthy else self.unhealthy
        return base + chance * (self.jitter + base * self.jitter_fraction)


class CheckedHealth:
    """The health of one host by active checks.  A host begins as failed; its first result decides at once."""

    __slots__ = ("_count", "_first", "_healthy_threshold", "_unhealthy_threshold", "failed")

    def __init__(self, healthy_threshold: int, unhealthy_threshold: int) -> None:
        self._healthy_threshold = healthy_threshold
        self._unhealthy_threshold = unhealthy_threshold
        self._first = True
        self._count = 0  # results in a row that point the other way
        self.failed = True

    def succeeded(self) -> Transition:
        first, self._first = self._first, False
        if not self.failed:
            self._count = 0
            return Transition.UNCHANGED
        self._count += 1
        if first or self._count >= self._healthy_threshold:
            return self._turn(failed=False)
        return Transition.PENDING

    def did_not(self, at_once: bool) -> Transition:
        """A failure.  at_once: the host answered and said no, so the threshold does not count (HTTP, status not retriable)."""
        self._first = False
        if self.failed:
            self._count = 0
            return Transition.UNCHANGED
        self._count += 1
        if at_once or self._count >= self._unhealthy_threshold:
            return self._turn(failed=True)
        return Transition.PENDING

    def _turn(self, failed: bool) -> Transition:
        self.failed = failed
        self._count = 0
        return Transition.CHANGED


class PayloadMatch:
    """Whether everything expected has come, in order, with anything between.  Envoy: PayloadMatcher."""

    __slots__ = ("_expected", "_received")

    def __init__(self, expected: tuple[bytes, ...]) -> None:
        self._expected = list(expected)
        self._received = b""

    def feed(self, data: bytes) -> bool:
        """Take what arrived; True once all has come."""
        self._received += data
        while self._expected:
            found = self._received.find(self._expected[0])
            if found < 0:
                keep = len(self._expected[0]) - 1
                self._received = self._received[-keep:] if keep else b""
                return False
            self._received = self._received[found + len(self._expected.pop(0)) :]
        return True
