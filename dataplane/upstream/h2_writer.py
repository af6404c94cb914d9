"""What an HTTP/2 connection writes to its host: when, and who waits for the host's windows.

Here: output and its limits.  Not here: what comes from the host (h2_reader), the life of the connection (h2_connection).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from dataplane.upstream.connector import Dialled

if TYPE_CHECKING:
    from dataplane.semantics.h2_session import H2Session
    from dataplane.upstream.cluster_stats import ConnectionStats
    from dataplane.upstream.h2_stream import H2ClientStream
    from dataplane.upstream.pool_h2 import H2Pool

# How far a connection is.
CONNECTING: Final = 0
OPEN: Final = 1
CLOSED: Final = 2


class H2Writer(Dialled):
    """The writing half of a connection."""

    __slots__ = (
        "_enlisted",
        "_events",
        "_pool",
        "_state",
        "_waiting",
        "_write_blocked",
        "_wrote",
        "session",
        "stats",
        "streams",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, pool: H2Pool, session: H2Session) -> None:
        self._pool = pool
        self.session = session
        self.stats: ConnectionStats = pool.stats
        self.streams: dict[int, H2ClientStream] = {}
        self._wrote: list[H2ClientStream] = []
        self._waiting: set[H2ClientStream] = set()  # blocked by the host's window
        self._events: list[Any] = []  # those that wait for their turn; nothing is read meanwhile
        self._enlisted = False
        self._write_blocked = False
        self._state: int = CONNECTING

    @property
    def is_open(self) -> bool:
        return self._state == OPEN

    def _handle(self, events: list[Any]) -> None:
        """Sending brings events, too."""
        raise NotImplementedError

    def enlist(self) -> None:
        """Have what the session wants to say written at the end of this pass of the event loop."""
        if not self._enlisted:
            self._enlisted = True
            self._pool.http2.writes.add(self)

    def on_data_queued(self, stream: H2ClientStream) -> None:
        if not stream.request_done:
            self._wrote.append(stream)
        self.enlist()

    def flush(self) -> None:
        self._enlisted = False
        if self._write_blocked or not self.is_open:
            return
        session = self.session
        data = session.take_output()
        if data:
            self.stats.cx_tx_bytes_total.value += len(data)
            self.transport.write(data)
        if self._events:
            self._events += session.events()
        else:
            self._handle(session.events())
        if (self._wrote or self._waiting) and self.is_open:
            self._look_at_queues()

    def _look_at_queues(self) -> None:
        """Requests that outgrow what may wait of one stream make their clients wait."""
        queued, waiting, limit = self.session.queued, self._waiting, self._pool.http2.buffer_limit
        for stream in list(waiting):
            if queued(stream.stream_id) * 2 <= limit:
                waiting.discard(stream)
                stream.unblock()
        wrote, self._wrote = self._wrote, []
        for stream in wrote:
            is_open = not stream.request_done and stream.stream_id in self.streams
            if is_open and stream not in waiting and queued(stream.stream_id) > limit:
                waiting.add(stream)
                stream.block()

    def pause_writing(self) -> None:
        self._write_blocked = True
        for stream in list(self.streams.values()):
            stream.block()

    def resume_writing(self) -> None:
        self._write_blocked = False
        for stream in list(self.streams.values()):
            stream.unblock()
        self.flush()
