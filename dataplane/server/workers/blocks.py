"""Blocks of a table that workers share: which of them nobody has.

Here: handing them out, by the main process.  Not here: what a block holds and whose it is (shared_counts, shared_failures).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

BLOCKS: Final = 1 << 16  # of each table; memory is taken when a cell is used, not before

_log = logging.getLogger("main")


class FreeBlocks:
    """used: how many were ever handed out, those that never are included."""

    def __init__(self, consequence: str, reserved: int = 0, may_reuse: Callable[[int], bool] = lambda block: True) -> None:
        """consequence: of there being none, for the log.  reserved: the first ones, which are never handed out."""
        self.used = self._reserved = reserved
        self._consequence = consequence
        self._may_reuse = may_reuse
        self._left: deque[int] = deque()  # by those that are gone, the oldest first
        self._told = False

    def take(self) -> int | None:
        """None when there are no more, which is told once."""
        if self._left and self._may_reuse(self._left[0]):
            return self._left.popleft()
        if self.used < BLOCKS:
            self.used += 1
            return self.used - 1
        if not self._told:
            self._told = True
            _log.warning("more than %d %s", BLOCKS - self._reserved, self._consequence)
        return None

    def give_back(self, blocks: Iterable[int]) -> None:
        self._left.extend(blocks)
