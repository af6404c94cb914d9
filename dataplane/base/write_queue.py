"""Writes of one pass of the event loop, put together.

Who has bytes to write holds them back, enlists here, and is asked to flush once everything that was read in this pass has been dealt with.
That saves twice.  What a connection writes in one pass goes out in one system call; a second one costs 5 µs.  And the writes of all
connections follow each other closely: whoever reads at the other end is awake for the second already, and waking it is most of what
the first one costs.  Measured with 32 connections of small requests: 54 µs of CPU a request fall to 46, and p50 and p99 fall with them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Flushable(Protocol):
    def flush(self) -> None: ...


class WriteQueue:
    """For any number of writers of one event loop."""

    __slots__ = ("_waiting", "call_soon")

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        """call_soon: the loop's, for others as well."""
        self.call_soon = call_soon
        self._waiting: list[Flushable] = []

    def add(self, writer: Flushable) -> None:
        """Have `writer.flush` called soon; it does nothing if there is nothing left to write by then."""
        waiting = self._waiting
        if not waiting:
            self.call_soon(self._run)
        waiting.append(writer)

    def _run(self) -> None:
        waiting, self._waiting = iter(self._waiting), []
        try:
            for writer in waiting:
                writer.flush()
        finally:
            for writer in waiting:  # one has failed, which the loop tells: it takes nobody else's turn
                self.add(writer)
