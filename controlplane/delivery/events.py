"""Telling several readers what happens to proxies.

Here: the fan-out and its bound.  Not here: what happens (status.ProxyEvent), who says so (hub).
The only file of this package that knows of asyncio: a reader waits for the next event.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from weakref import WeakSet

from controlplane.delivery.status import EventKind, ProxyEvent

# A reader this far behind misses events, and is told so, rather than that memory grows with it.
MAX_BACKLOG = 10_000


class EventReader(AsyncIterator[ProxyEvent]):
    """Events from the moment of its creation on.  Dropping the last reference to it ends its subscription."""

    __slots__ = ("__weakref__", "_backlog", "_limit", "_lost", "_news")

    def __init__(self, limit: int) -> None:
        self._backlog: deque[ProxyEvent] = deque()
        self._limit = limit
        self._news = asyncio.Event()
        self._lost = False

    def put(self, event: ProxyEvent) -> None:
        if len(self._backlog) >= self._limit:
            self._backlog.popleft()
            self._lost = True
        self._backlog.append(event)
        self._news.set()

    def __aiter__(self) -> EventReader:
        return self

    async def __anext__(self) -> ProxyEvent:
        while not self._backlog:
            self._news.clear()
            await self._news.wait()
        if self._lost:
            self._lost = False
            return ProxyEvent(EventKind.LOST, self._backlog[0].wall)
        return self._backlog.popleft()


class Feed:
    """All readers of one hub's events."""

    __slots__ = ("_readers",)

    def __init__(self) -> None:
        self._readers: WeakSet[EventReader] = WeakSet()

    @property
    def wanted(self) -> bool:
        """Whether anybody reads: otherwise events need not be made."""
        return len(self._readers) > 0

    def put(self, event: ProxyEvent) -> None:
        for reader in self._readers:
            reader.put(event)

    def subscribe(self, limit: int = MAX_BACKLOG) -> EventReader:
        reader = EventReader(limit)
        self._readers.add(reader)
        return reader
