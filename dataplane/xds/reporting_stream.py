"""A stream on which we report, again and again, at an interval that the server asks for and may change.

Here: its task, when a report is due.  Not here: the connection (dialogue), what is asked and reported, when the next try follows (health_stream,
load_stream).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dataplane.xds.grpc_channel import Call


class ReportingStream:
    """Made and used inside one running event loop.  interval: seconds between two reports; None: nothing was asked for."""

    def __init__(self, name: str) -> None:
        """name: of its task."""
        self._name = name
        self._interval: float | None = None
        self._asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        assert self._task is None, "started twice"
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Close the stream for good."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        """Live through one stream after the other."""
        raise NotImplementedError

    async def _report(self, call: Call) -> None:
        raise NotImplementedError

    def _begin_interval(self, seconds: float) -> None:
        """What the server asked for."""
        self._interval = seconds
        self._asked.set()

    @asynccontextmanager
    async def _reporting(self, call: Call) -> AsyncIterator[None]:
        """Reports are written meanwhile."""
        writing = asyncio.create_task(self._report_for_ever(call))
        try:
            yield
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _report_for_ever(self, call: Call) -> None:
        """What the server asks for begins the interval anew.  Ends with the stream: a write after its end raises."""
        while True:
            try:
                await asyncio.wait_for(self._asked.wait(), self._interval)
                self._asked.clear()
            except TimeoutError:
                await self._report(call)
