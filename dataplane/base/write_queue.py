"""Writes of one pass of the event loop, put together.

A response's head and its body arrive in one read and go out in one write; a second `write` in the same pass costs 5 µs of 45.  Who holds
bytes back enlists here and is asked to flush once everything that was read in this pass has been dealt with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Flushable(Protocol):
    def flush(self) -> None: ...


class WriteQueue:
    """For any number of writers of one event loop."""

    __slots__ = ("_call_soon", "_waiting")

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        """call_soon: the loop's."""
        self._call_soon = call_soon
        self._waiting: list[Flushable] = []

    def add(self, writer: Flushable) -> None:
        """Have `writer.flush` called soon; it does nothing if there is nothing left to write by then."""
        waiting = self._waiting
        if not waiting:
            self._call_soon(self._run)
        waiting.append(writer)

    def _run(self) -> None:
        waiting, self._waiting = self._waiting, []
        for writer in waiting:
            writer.flush()
