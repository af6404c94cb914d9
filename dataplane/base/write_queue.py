"""Writes of one pass of the event loop, put together.

A response's head and its body arrive in one read and go out in one write; a second `write` in the same pass costs 5 µs of 45.  Who holds
bytes back enlists here and is asked to flush once everything that was read in this pass has been dealt with.
"""

from __future__ import annotations

import asyncio
from typing import Protocol


class Flushable(Protocol):
    def flush(self) -> None: ...


class WriteQueue:
    """One per event loop."""

    __slots__ = ("_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[Flushable] = []

    def add(self, writer: Flushable) -> None:
        """Have `writer.flush` called soon; it does nothing if there is nothing left to write by then."""
        waiting = self._waiting
        if not waiting:
            self._loop.call_soon(self._run)
        waiting.append(writer)

    def _run(self) -> None:
        waiting, self._waiting = self._waiting, []
        for writer in waiting:
            writer.flush()
