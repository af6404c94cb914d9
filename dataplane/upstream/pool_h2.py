"""HTTP/2 connections to one host, for one routing priority: many requests at a time on each.

Here: which connection carries which request.  Not here: what all pools do (pool), frames (h2_connection).
Rules: one connection as long as it has room; what the host's limit of streams does not let through opens another; a connection that was
told to go away ends with the requests it carries.
Envoy: Http2::ConnPoolImpl, MultiplexedActiveClientBase.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dataplane.api.upstream import PoolFailure
from dataplane.upstream.h2_connection import H2Connection
from dataplane.upstream.pool import HttpPool, WaitingStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataplane.api.upstream import ResponseReceiver
    from dataplane.resilience.circuit import Breakers
    from dataplane.upstream.host import UpstreamHost
    from dataplane.upstream.pool_settings import Http2Settings, PoolSettings

_OVERFLOW: Final = PoolFailure.OVERFLOW


class H2Pool(HttpPool[H2Connection]):
    """See the module."""

    __slots__ = ("_ready", "_rq_total", "http2", "max_head_bytes", "settings")

    def __init__(
        self,
        host: UpstreamHost,
        settings: PoolSettings,
        http2: Http2Settings,
        breakers: Breakers,
        on_empty: Callable[[HttpPool[H2Connection]], None],
    ) -> None:
        most = http2.options.max_concurrent_streams
        if settings.max_requests_per_connection:
            most = min(most, settings.max_requests_per_connection)
        super().__init__(host, settings, breakers, on_empty, streams_per_dial=most)
        self.settings = settings
        self.http2 = http2
        self.max_head_bytes = settings.max_head_bytes
        self._rq_total = settings.stats.rq_total
        self._ready: list[H2Connection] = []  # those that may have room

    def new_stream(self, receiver: ResponseReceiver) -> WaitingStream | None:
        """As upstream.cluster.UpstreamCluster.open_stream, once the host is chosen."""
        ready = self._ready
        while ready:
            connection = ready[-1]
            if connection.has_room:
                self._attach(connection, receiver)
                return None
            ready.pop()
        return self._wait(receiver)

    def _attach(self, connection: H2Connection, receiver: ResponseReceiver) -> None:
        requests = self._requests
        if not requests.can_create():
            self.stats.rq_active_overflow.inc()
            receiver.on_pool_failure(_OVERFLOW, "", self.host)
            return
        requests.inc()
        self._rq_total.value += 1
        self._rq_active.value += 1
        host = self.host
        host.rq_total += 1
        host.rq_active += 1
        if not connection.active and connection in self._idle:
            self._idle.remove(connection)
        stream = connection.start(receiver)
        if connection.requests == self._settings.max_requests_per_connection:
            self.stats.cx_max_requests.inc()
            connection.going_away = True
        receiver.on_pool_ready(stream, host, connection)

    def _make_connection(self, connection_id: int, now: float) -> H2Connection:
        self.stats.cx_http2_total.inc()
        return H2Connection(self, connection_id, now)

    def on_exchange_done(self, connection: H2Connection) -> None:
        """A stream is over, well or not, and its connection lives on."""
        self.on_stream_ended()
        if self._waiting or not connection.active or connection not in self._ready:
            self._offer(connection)

    def on_room(self, connection: H2Connection) -> None:
        """The host allows more streams than before."""
        if connection.connected_at:
            self._offer(connection)

    def _offer(self, connection: H2Connection) -> None:
        """Serve those who wait as far as there is room, then keep the connection for others, or let it end."""
        while self._waiting and connection.has_room:
            stream = self._waiting.popleft()
            self._not_waiting()
            receiver = stream.receiver
            assert receiver is not None
            stream.receiver = None
            self._attach(connection, receiver)
        self._close_needless_dials()
        if not connection.is_open:
            return
        if connection.has_room and connection not in self._ready:
            self._ready.append(connection)
        if not connection.active and connection not in self._idle:
            if connection.going_away or self.draining:
                connection.close()
            else:
                self._keep(connection)

    def _forget(self, connection: H2Connection, local: bool, with_active_request: bool) -> None:
        if connection in self._ready:
            self._ready.remove(connection)
        super()._forget(connection, local, with_active_request)

    def on_going_away(self, connection: H2Connection) -> None:
        """The host, or we, want no further stream on it."""
        connection.going_away = True
        if connection in self._ready:
            self._ready.remove(connection)
        if not connection.active:
            connection.close()
        self._connect_for_waiting()

    def _on_too_old(self, connection: H2Connection) -> None:
        self.stats.cx_max_duration_reached.inc()
        self.on_going_away(connection)
