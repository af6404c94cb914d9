"""Earliest deadline first: a weighted round robin whose picks are spread as evenly as the weights allow.

An entry of weight w comes up every 1/w of virtual time.  Envoy: EdfScheduler.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


class EdfScheduler(Generic[Item]):
    """Picks among *items* for ever.  weight_of: asked after each pick, so that it may follow a live value; above zero."""

    __slots__ = ("_heap", "_order", "_weight_of")

    def __init__(self, items: Sequence[Item], weight_of: Callable[[Item], float]) -> None:
        self._weight_of = weight_of
        # (deadline, order, item): the order decides between equal deadlines, first come first served
        self._heap = [(1 / weight_of(item), order, item) for order, item in enumerate(items)]
        self._order = len(items)
        heapq.heapify(self._heap)

    def pick(self) -> Item:
        deadline, _, item = self._heap[0]
        self._order += 1
        heapq.heapreplace(self._heap, (deadline + 1 / self._weight_of(item), self._order, item))
        return item

    def skip(self, picks: int) -> None:
        """Begin somewhere else than everybody: proxies that start together must not all send to the same host first."""
        for _ in range(picks):
            self.pick()
