"""Counts that all workers have together: a mapped file without a name, with a cell of 64 bits for each worker and count.

Here: where the cells are, and which block of them belongs to which name.  Not here: adding and limits (base.counts).
A worker's cells are next to each other, so that two that count do not share a line of the processor's cache, and those of one that died
are cleared at a stroke.  Only the main process hands blocks out; workers are told of them like of any other fact.
A block of a name that is gone is used again once nobody counts in it; a worker that is late then counts into the new one for a while,
too much and never too little, since all add and subtract.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from typing import Final, Protocol

from dataplane.base.counts import Count, SharedCount
from dataplane.base.turns import Place, Turns
from dataplane.server.workers.blocks import BLOCKS, FreeBlocks

_ROWS_OF_BLOCK: Final = 8  # two priorities of a cluster with four resources each
_RESOURCES: Final = 4
_ROWS: Final = BLOCKS * _ROWS_OF_BLOCK
_CELL: Final = 8

# The first block is everybody's.
_CONNECTIONS: Final = 0
_BEATS: Final = 1

# In a listener's block, behind the rows that tell whose turn it is.
_OF_LISTENER: Final = 2


class CountTable:
    """The cells.  descriptor: of the mapped file, which the table owns."""

    def __init__(self, descriptor: int, workers: int) -> None:
        self.descriptor = descriptor
        self._workers = workers
        self._cells: memoryview[int] = memoryview(mmap.mmap(descriptor, workers * _ROWS * _CELL)).cast("q")

    @classmethod
    def create(cls, workers: int) -> CountTable:
        descriptor = os.memfd_create("pointsman-counts")
        os.ftruncate(descriptor, workers * _ROWS * _CELL)
        return cls(descriptor, workers)

    def count(self, row: int, worker: int = 0) -> SharedCount:
        """As *worker* counts in *row*; whoever only looks may take any."""
        cells = [each * _ROWS + row for each in range(self._workers)]
        own = cells.pop(worker)
        return SharedCount(self._cells, own, cells)

    def turns(self, block: int, worker: int) -> Turns:
        """The first two rows of a block."""
        first = block * _ROWS_OF_BLOCK
        columns = [each * _ROWS for each in range(self._workers)]
        places = [Place(column + first, column + first + 1, column + _BEATS) for column in columns]
        return Turns(self._cells, places, worker)

    def is_clear(self, block: int) -> bool:
        """Whether nobody counts anything in it."""
        first = block * _ROWS_OF_BLOCK
        starts = [worker * _ROWS + first for worker in range(self._workers)]
        return not any(any(self._cells[start : start + _ROWS_OF_BLOCK]) for start in starts)

    def clear(self, worker: int, blocks: int) -> None:
        """Of a worker that is gone.  blocks: how many were ever handed out."""
        start, length = worker * _ROWS, blocks * _ROWS_OF_BLOCK
        self._cells[start : start + length] = memoryview(bytes(length * _CELL)).cast("q")

    def beat(self, worker: int) -> None:
        """It is alive and gets its turns."""
        self._cells[worker * _ROWS + _BEATS] += 1

    def beats(self, worker: int) -> int:
        """How often it has said so."""
        return self._cells[worker * _ROWS + _BEATS]


class Blocks(Protocol):
    def block(self, name: str) -> int | None: ...


class Counts:
    """Implements base.counts.SharedCounts.  worker: as which it counts."""

    def __init__(self, table: CountTable, blocks: Blocks, worker: int = 0) -> None:
        self._table = table
        self._blocks = blocks
        self._worker = worker

    def connections(self) -> Count:
        return self._table.count(_CONNECTIONS, self._worker)

    def breakers(self, cluster: str, priority: int) -> Sequence[Count] | None:
        block = self._blocks.block(of_cluster(cluster))
        if block is None:
            return None
        first = block * _ROWS_OF_BLOCK + priority * _RESOURCES
        return [self._table.count(first + each, self._worker) for each in range(_RESOURCES)]

    def filter(self, name: str) -> Count | None:
        block = self._blocks.block(of_filter(name))
        return None if block is None else self._table.count(block * _ROWS_OF_BLOCK, self._worker)

    def listener(self, name: str) -> Count | None:
        block = self._blocks.block(of_listener(name))
        return None if block is None else self._table.count(block * _ROWS_OF_BLOCK + _OF_LISTENER, self._worker)

    def turns(self, listener: str) -> Turns | None:
        block = self._blocks.block(of_listener(listener))
        return None if block is None else self._table.turns(block, self._worker)


class ToldBlocks:
    """Implements Blocks in a worker: what the main process has told."""

    def __init__(self) -> None:
        self.by_name: dict[str, int] = {}

    def block(self, name: str) -> int | None:
        return self.by_name.get(name)


class Allotment:
    """Implements Blocks in the main process: which name has which block."""

    def __init__(self, table: CountTable) -> None:
        self.table = table
        self._by_name: dict[str, int] = {}
        self._blocks = FreeBlocks(
            "clusters, listeners and filters: the limits of further ones hold for each worker", 1, table.is_clear
        )

    def block(self, name: str) -> int | None:
        """The block of *name*, which has one from now on; None when there are no more: then each worker counts for itself."""
        found = self._by_name.get(name)
        if found is not None:
            return found
        found = self._blocks.take()
        if found is not None:
            self._by_name[name] = found
        return found

    def free(self, name: str) -> None:
        block = self._by_name.pop(name, None)
        if block is not None:
            self._blocks.give_back([block])

    def clear(self, worker: int) -> None:
        """Forget what a worker counted that is gone."""
        self.table.clear(worker, self._blocks.used)


def of_cluster(name: str) -> str:
    return f"cluster/{name}"


def of_filter(name: str) -> str:
    return f"filter/{name}"


def of_listener(name: str) -> str:
    return f"listener/{name}"
