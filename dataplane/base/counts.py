"""Counts that a limit holds for: of this process alone, or of all that carry traffic.

Here: adding, taking one within a limit.  Not here: where the cells of several processes lie and which cell is whose
(server.workers.shared_counts), what is limited (resilience.circuit, listener.connection_limit).
Rule: a process writes its own cell only, and reads the others' as they are.  So there is no lock that a process which stands still could
hold, and one that dies leaves nothing behind but its cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dataplane.base.turns import Turns


class Count(Protocol):
    """How much is in use."""

    @property
    def total(self) -> int: ...

    def add(self, amount: int) -> None:
        """Of this process.  amount: may be negative."""

    def take(self, limit: int) -> bool:
        """Add one unless the total would be above *limit*.  Says whether it did."""


class LocalCount:
    """Implements Count where one process is all there are."""

    __slots__ = ("total",)

    def __init__(self) -> None:
        self.total = 0

    def add(self, amount: int) -> None:
        self.total += amount

    def take(self, limit: int) -> bool:
        if self.total >= limit:
            return False
        self.total += 1
        return True


class SharedCount:
    """Implements Count over cells of 64 bits, one for each process.  own: ours.  others: everybody else's."""

    __slots__ = ("_cells", "_others", "_own")

    def __init__(self, cells: memoryview[int], own: int, others: Sequence[int]) -> None:
        self._cells = cells
        self._own = own
        self._others = tuple(others)

    @property
    def total(self) -> int:
        cells = self._cells
        total = cells[self._own]
        for each in self._others:
            total += cells[each]
        return total

    def add(self, amount: int) -> None:
        self._cells[self._own] += amount

    def take(self, limit: int) -> bool:
        """It is added first and looked at then: two that come in one instant see each other, so the limit is never passed.

        At the brim both may be refused where there was room for one.
        """
        self.add(1)
        if self.total <= limit:
            return True
        self.add(-1)
        return False


class SharedCounts(Protocol):
    """Where live objects find the counts that they share with other processes; None: they count for themselves."""

    def connections(self) -> Count:
        """Of all listeners."""

    def breakers(self, cluster: str, priority: int) -> Sequence[Count] | None:
        """Of connections, pending requests, requests, retries: those that a cluster's circuit breakers limit."""

    def filter(self, name: str) -> Count | None:
        """Of what a network filter let in.  name: see api.network_filter.CountingFilter."""

    def listener(self, name: str) -> Count | None:
        """Of a listener that has a limit of its own."""

    def turns(self, listener: str) -> Turns | None:
        """At accepting, of a listener whose connections are to be spread evenly."""
