"""Retries that avoid the priorities of hosts that were tried.  The state of one request, pure.

Envoy: envoy.retry_priorities.previous_priorities; intro/arch_overview/http/http_routing, "Priority based load balancing on retries".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final


class PreviousPriorities:
    """update_frequency: after so many tries, and each time as many more, the priorities tried by then are avoided."""

    __slots__ = ("_avoided", "_loads", "_tried", "_update_frequency")

    def __init__(self, update_frequency: int) -> None:
        self._update_frequency: Final = update_frequency
        self._tried: list[int] = []
        self._avoided: set[int] = set()
        self._loads: list[int] | None = None

    def on_tried(self, priority: int) -> None:
        """The host of a try had *priority*."""
        self._tried.append(priority)

    def loads(self, availability: Sequence[int]) -> Sequence[int] | None:
        """Per cent of the load for each priority, None for the cluster's own.

        availability: per cent of its share that each priority can carry.  When all that can carry anything were tried, all begin anew.
        """
        if len(self._tried) < self._update_frequency:
            return None
        if len(self._tried) % self._update_frequency == 0:
            self._avoided.update(self._tried)
            self._loads = self._spread(availability)
        return self._loads

    def _spread(self, availability: Sequence[int]) -> list[int] | None:
        left_over = [0 if priority in self._avoided else available for priority, available in enumerate(availability)]
        if not any(left_over):
            self._avoided.clear()
            self._tried.clear()
            left_over = list(availability)
        total = min(100, sum(left_over))
        if not total:
            return None
        loads, rest = [0] * len(left_over), 100
        while rest:  # what rounding leaves goes round again, so to the first
            for priority, available in enumerate(left_over):
                share = min(rest, available * 100 // total)
                loads[priority] += share
                rest -= share
        return loads
