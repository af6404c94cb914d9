"""Failures in a row that all workers count together: a mapped file without a name, with a line of cells for each process and host.

Here: where the cells are, and which block of them belongs to which host.  Not here: counting (base.failures).
Unlike those of shared_counts these cells only grow: what a worker saw that died is still true, so nothing is cleared, and a block that a new
host gets begins by ending the rows of the one before.  A worker that is late may count for the old host there for a moment.
The main process carries no traffic and has cells all the same: rows end, too, when it takes a host back.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Collection, Mapping
from typing import Final

from dataplane.base.address import Address
from dataplane.base.failures import CELLS, KINDS, SharedFailures
from dataplane.server.workers.blocks import BLOCKS, FreeBlocks

_CELL: Final = 8


class FailureTable:
    """The cells.  descriptor: of the mapped file, which the table owns.  workers: how many, the main process not counted."""

    def __init__(self, descriptor: int, workers: int) -> None:
        self.descriptor = descriptor
        self._columns = [each * BLOCKS * CELLS for each in range(workers + 1)]
        self._cells: memoryview[int] = memoryview(mmap.mmap(descriptor, _size(workers))).cast("q")

    @classmethod
    def create(cls, workers: int) -> FailureTable:
        descriptor = os.memfd_create("pointsman-failures")
        os.ftruncate(descriptor, _size(workers))
        return cls(descriptor, workers)

    def failures(self, block: int, worker: int | None = None) -> SharedFailures:
        """As *worker* counts them; None: the main process."""
        every = [column + block * CELLS for column in self._columns]
        return SharedFailures(self._cells, every[-1 if worker is None else worker], every)


def _size(workers: int) -> int:
    return (workers + 1) * BLOCKS * CELLS * _CELL


class FailureBlocks:
    """Which host of which cluster has which block.  Of the main process."""

    def __init__(self, table: FailureTable) -> None:
        self.table = table
        self._by_cluster: dict[str, dict[Address, int]] = {}
        self._blocks = FreeBlocks("hosts: failures in a row of further ones are counted by each worker")

    def follow(self, cluster: str, hosts: Collection[Address]) -> Mapping[Address, int]:
        """The blocks of these hosts from now on, and of no others of the cluster.  One without: each worker counts for itself."""
        before = self._by_cluster.pop(cluster, {})
        wanted = frozenset(hosts)
        self._blocks.give_back(block for host, block in before.items() if host not in wanted)
        blocks: dict[Address, int] = {}
        for host in hosts:
            block = before[host] if host in before else self._fresh()
            if block is not None:
                blocks[host] = block
        if blocks:
            self._by_cluster[cluster] = blocks
        return dict(blocks)

    def _fresh(self) -> int | None:
        block = self._blocks.take()
        if block is not None:
            failures = self.table.failures(block)
            for kind in KINDS:
                failures.end(kind)
        return block
