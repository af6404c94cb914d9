"""Failures in a row: how many there were since the last success, seen by this process alone or by all that carry traffic.

Here: counting.  Not here: how many are too many (resilience.outlier), where the cells of several processes lie
(server.workers.shared_failures).
Rule: as in counts, a process writes its own cells only.  It counts there every failure that it ever saw; and whoever ends a row writes down
how many all together had seen by then.  Both only grow, so a row is as long as what came since the latest of these ends, and nobody has to
agree on who was first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

# Kinds of rows, which are the first cells of a process's block.
ERRORS: Final = 0
GATEWAY_ERRORS: Final = 1  # some of the errors
LOCAL_FAILURES: Final = 2
KINDS: Final = (ERRORS, GATEWAY_ERRORS, LOCAL_FAILURES)
_ENDS: Final = len(KINDS)  # where the cells begin that say at which count a row has ended

CELLS: Final = 8  # of a process: six in use, one line of the processor's cache


class Failures(Protocol):
    """Of one host."""

    def add(self, kind: int) -> int:
        """One more; returns how many there are in a row now."""

    def end(self, kind: int) -> None:
        """What comes next is the first."""

    def succeeded(self) -> None:
        """The host answered without an error: rows of errors, those of the gateway included, end."""


class LocalFailures:
    """Implements Failures where one process is all there are."""

    __slots__ = ("_rows",)

    def __init__(self) -> None:
        self._rows = [0] * len(KINDS)

    def add(self, kind: int) -> int:
        self._rows[kind] += 1
        return self._rows[kind]

    def end(self, kind: int) -> None:
        self._rows[kind] = 0

    def succeeded(self) -> None:
        self._rows[ERRORS] = self._rows[GATEWAY_ERRORS] = 0


class SharedFailures:
    """Implements Failures over cells of 64 bits.  own: the first of ours.  all_first: the first of every process, ours among them."""

    __slots__ = ("_all_first", "_calm_at", "_cells", "_own")

    def __init__(self, cells: memoryview[int], own: int, all_first: Sequence[int]) -> None:
        self._cells = cells
        self._own = own
        self._all_first = tuple(all_first)
        self._calm_at = -1  # how many errors there were at our last success

    def add(self, kind: int) -> int:
        cells = self._cells
        cells[self._own + kind] += 1
        ended = max([cells[first + _ENDS + kind] for first in self._all_first])
        return self._seen(kind) - ended

    def end(self, kind: int) -> None:
        cells, seen = self._cells, self._seen(kind)
        if cells[self._own + _ENDS + kind] != seen:  # a line that nobody writes is in everybody's cache
            cells[self._own + _ENDS + kind] = seen

    def succeeded(self) -> None:
        """Nearly every request ends here, and nearly always nobody has seen an error since the last one."""
        errors = self._seen(ERRORS)
        if errors != self._calm_at:
            self._calm_at = errors
            self.end(ERRORS)
            self.end(GATEWAY_ERRORS)

    def _seen(self, kind: int) -> int:
        """By all, ever."""
        cells = self._cells
        seen = 0
        for first in self._all_first:
            seen += cells[first + kind]
        return seen
