"""The listener filters of one connection: they read before anybody else does.

Here: their order, their time, and what becomes of the bytes they have seen.  Not here: what a filter looks for (extensions.filters.listener).
While it runs it is the protocol of the socket's transport; then it puts the connection, or its TLS, in its place.
Envoy: ActiveTcpSocket; Listener.{listener_filters_timeout, continue_on_listener_filters_timeout}.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from dataplane.api.listener_filter import Inspected, Inspection, ListenerFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataplane.base.deadlines import Deadline, DeadlineWheel
    from dataplane.listener.stats import ListenerStats


class Waiting(Protocol):
    """The connection that waits for the end of its inspection."""

    def on_inspected(self, inspected: Inspected) -> None:
        """Choose the filter chain; `inspected.data` was received already."""

    def on_not_inspected(self, inspected: Inspected) -> None:
        """The connection is to be closed."""

    def connection_lost(self, exc: Exception | None) -> None: ...


class InspectionRun(asyncio.Protocol):
    """See the module."""

    __slots__ = ("_connection", "_continues", "_deadline", "_filters", "_inspected", "_next", "_over", "_stats")

    def __init__(
        self, connection: Waiting, inspected: Inspected, filters: Sequence[ListenerFilter], continues: bool, stats: ListenerStats
    ) -> None:
        """continues: a filter that is not done in time has nothing to say, and the connection goes on."""
        self._connection = connection
        self._inspected = inspected
        self._filters = filters
        self._continues = continues
        self._stats = stats
        self._next = 0
        self._deadline: Deadline | None = None
        self._over = False

    def start(self, transport: asyncio.Transport, deadlines: DeadlineWheel, timeout: float) -> None:
        """timeout: seconds, 0 for ever.  Filters that need no bytes are done within this call."""
        self._stats.pre_cx_active.inc()
        if self._run():
            return
        transport.set_protocol(self)
        if timeout:
            self._deadline = deadlines.arm(timeout, self._on_timeout)

    def data_received(self, data: bytes) -> None:
        if not self._over:
            self._inspected.data += data
            self._run()

    def eof_received(self) -> bool:
        self._inspected.ended = True
        if not self._over and not self._run():
            self._stats.listener_filter_remote_close.inc()
            self._give_up()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._over:
            if exc is not None:
                self._stats.listener_filter_error.inc()
            self._leave()
        self._connection.connection_lost(exc)

    def _run(self) -> bool:
        """Ask the filters that have not answered.  Returns whether the inspection is over."""
        while self._next < len(self._filters):
            answer = self._filters[self._next].inspect(self._inspected)
            if answer is Inspection.MORE:
                return False
            if answer is Inspection.CLOSE:
                self._give_up()
                return True
            self._next += 1
        self._leave()
        self._connection.on_inspected(self._inspected)
        return True

    def _on_timeout(self) -> None:
        self._deadline = None
        self._stats.pre_cx_timeout.inc()
        if self._continues:
            self._leave()
            self._connection.on_inspected(self._inspected)
        else:
            self._give_up()

    def _give_up(self) -> None:
        self._leave()
        self._connection.on_not_inspected(self._inspected)

    def _leave(self) -> None:
        self._over = True
        self._stats.pre_cx_active.dec()
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
