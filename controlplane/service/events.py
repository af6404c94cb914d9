"""What happens, told to everybody who listens: revisions from the service, proxies from delivery.

Here: the event and its distribution to any number of listeners.  Not here: how it is spelled on the wire (admin).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from controlplane.delivery.status import ProxyEvent

# A listener that does not read for this many events is cut off: it has missed too much to be told the truth.
BACKLOG = 10_000


@dataclass(frozen=True, slots=True)
class Event:
    """time: wall.  kind: `revision`, or what delivery calls it.  text: the words of a NACK, or the message of a revision."""

    time: float
    kind: str
    revision: int = 0
    node_id: str = ""
    group: str = ""
    type_url: str = ""
    version: str = ""
    text: str = ""
    proxy_id: int = 0

    @classmethod
    def of_proxy(cls, event: ProxyEvent) -> Event:
        return cls(
            event.wall,
            event.kind.value,
            event.revision,
            event.node_id,
            event.group,
            event.type_url,
            event.version,
            event.text,
            event.proxy_id,
        )


class Broadcast:
    """Hands every event to every listener; never waits for one."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[Event | None]] = set()

    def send(self, event: Event) -> None:
        for listener in list(self._listeners):
            if listener.qsize() < BACKLOG:
                listener.put_nowait(event)
            else:
                self._cut_off(listener)

    def close(self) -> None:
        """End every listener's iteration after what it has been sent."""
        for listener in list(self._listeners):
            self._cut_off(listener)

    @contextmanager
    def listening(self) -> Iterator[AsyncIterator[Event]]:
        """Events from entering the block on; the iteration ends when the listener is cut off or the broadcast closed."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            yield _events(queue)
        finally:
            self._listeners.discard(queue)

    def _cut_off(self, listener: asyncio.Queue[Event | None]) -> None:
        self._listeners.discard(listener)
        listener.put_nowait(None)


async def _events(queue: asyncio.Queue[Event | None]) -> AsyncIterator[Event]:
    while (event := await queue.get()) is not None:
        yield event
