"""HTTP/1.1 connections to one host, for one routing priority: one request at a time on each, used again as long as it lasts.

Here: which connection carries which request.  Not here: what all pools do (pool), bytes (h1_connection).
Rule: the connection used last is used next.
Envoy: Http1::ConnPoolImpl.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dataplane.api.upstream import PoolFailure
from dataplane.semantics.h1_options import DEFAULT_HTTP1
from dataplane.upstream.h1_connection import H1Connection
from dataplane.upstream.pool import HttpPool, WaitingStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataplane.api.upstream import ResponseReceiver
    from dataplane.resilience.circuit import Breakers
    from dataplane.upstream.host import UpstreamHost
    from dataplane.upstream.pool_settings import PoolSettings

_OVERFLOW: Final = PoolFailure.OVERFLOW


class H1Pool(HttpPool[H1Connection]):
    """See the module."""

    __slots__ = ("_rq_total", "fields", "heads", "http1", "max_head_bytes", "writes")

    def __init__(
        self, host: UpstreamHost, settings: PoolSettings, breakers: Breakers, on_empty: Callable[[HttpPool[H1Connection]], None]
    ) -> None:
        super().__init__(host, settings, breakers, on_empty)
        self.heads = settings.heads
        self.fields = settings.fields
        self.writes = settings.writes
        self.http1 = None if settings.http1 == DEFAULT_HTTP1 else settings.http1
        self.max_head_bytes = settings.max_head_bytes
        self._rq_total = settings.stats.rq_total

    def new_stream(self, receiver: ResponseReceiver) -> WaitingStream | None:
        """As upstream.cluster.UpstreamCluster.open_stream, once the host is chosen."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if not connection.transport.is_closing():  # it may be, and nobody was told yet
                self._attach(connection, receiver)
                return None
            connection.close()
        return self._wait(receiver)

    def _attach(self, connection: H1Connection, receiver: ResponseReceiver) -> None:
        requests = self._requests
        if not requests.can_create():
            self._idle.append(connection)
            self.stats.rq_active_overflow.inc()
            receiver.on_pool_failure(_OVERFLOW, "", self.host)
            return
        requests.inc()
        self._rq_total.value += 1
        self._rq_active.value += 1
        host = self.host
        host.rq_total += 1
        host.rq_active += 1
        connection.start(receiver)
        receiver.on_pool_ready(connection, host, connection)

    def _make_connection(self, connection_id: int, now: float) -> H1Connection:
        self.stats.cx_http1_total.inc()
        return H1Connection(self, connection_id, now)

    def on_exchange_done(self, connection: H1Connection) -> None:
        """The connection may be used again."""
        self._requests.dec()
        self._rq_active.value -= 1
        self.host.rq_active -= 1
        maximum = self._settings.max_requests_per_connection
        if maximum and connection.requests >= maximum:
            self.stats.cx_max_requests.inc()
            connection.close()
        elif connection.deadline is not None and self._is_too_old(connection):
            connection.close()
        elif self._waiting or self.draining:
            self._offer(connection)
        else:
            self._keep(connection)

    def _offer(self, connection: H1Connection) -> None:
        """Give a free connection to who waits longest, or keep it for later."""
        if self._waiting:
            stream = self._waiting.popleft()
            self._not_waiting()
            receiver = stream.receiver
            assert receiver is not None
            stream.receiver = None
            self._close_needless_dials()
            self._attach(connection, receiver)
        elif self.draining:
            connection.close()
        else:
            self._keep(connection)

    def _on_too_old(self, connection: H1Connection) -> None:
        self.stats.cx_max_duration_reached.inc()
        if connection in self._idle:
            connection.close()
