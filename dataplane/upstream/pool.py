"""Connections to one host, for one routing priority: what pools of all protocols have in common.

Here: requests that wait, dialling for them, limits, ageing, draining, what is counted.  Not here: which connection carries which request
(pool_h1, pool_h2), dialling itself (connector), choosing the host (balancing).
Rules: a closed connection leaves at once; a failed connect fails everybody who waits, because what to do next is the router's decision (a
retry may choose another host); the first connection of a pool is opened whatever max_connections says.
Envoy: ConnPoolImplBase, intro/arch_overview/upstream/connection_pooling.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from dataplane.api.upstream import PoolFailure

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataplane.api.overload import LoadShedPoint
    from dataplane.api.upstream import ResponseReceiver
    from dataplane.base.deadlines import Deadline
    from dataplane.resilience.circuit import Breakers
    from dataplane.upstream.host import UpstreamHost
    from dataplane.upstream.pool_settings import PoolSettings

_OVERFLOW: Final = PoolFailure.OVERFLOW
_TIMEOUT: Final = PoolFailure.TIMEOUT


class PooledConnection(Protocol):
    """What a pool needs of its connections.  Times by the pool's clock; connected_at 0.0: never."""

    deadline: Deadline | None  # of its age, where that is limited
    started_at: float
    connected_at: float
    idle_since: float
    requests: int

    def dial(self) -> None: ...

    def close(self) -> None:
        """Close it while it carries no request."""

    def abort(self) -> None:
        """Break off whatever is under way; receivers hear nothing more."""


ConnectionT = TypeVar("ConnectionT", bound=PooledConnection)


class StreamOwner(Protocol):
    """A pool, as a request that waits in it sees it."""

    host: UpstreamHost

    def on_cancelled(self, stream: WaitingStream) -> None: ...


class WaitingStream:
    """A request without a connection yet.  Implements api.upstream.Pending."""

    __slots__ = ("_pool", "receiver")

    def __init__(self, pool: StreamOwner, receiver: ResponseReceiver) -> None:
        self._pool = pool
        self.receiver: ResponseReceiver | None = receiver

    @property
    def host(self) -> UpstreamHost:
        return self._pool.host

    def cancel(self) -> None:
        if self.receiver is not None:
            self.receiver = None
            self._pool.on_cancelled(self)


class HttpPool(Generic[ConnectionT]):
    """See the module.  on_empty: called, maybe more than once, when a draining pool has no connection left."""

    __slots__ = (
        "_breakers",
        "_connecting",
        "_connections",
        "_idle",
        "_idle_deadline",
        "_on_empty",
        "_requests",
        "_rq_active",
        "_settings",
        "_waiting",
        "connector",
        "draining",
        "host",
        "stats",
        "streams_per_dial",
    )

    def __init__(
        self,
        host: UpstreamHost,
        settings: PoolSettings,
        breakers: Breakers,
        on_empty: Callable[[HttpPool[ConnectionT]], None],
        streams_per_dial: int = 1,
    ) -> None:
        """streams_per_dial: how many requests a connection that is being opened will be able to take."""
        self.host = host
        self._settings = settings
        self.connector = settings.connector
        self.stats = settings.stats
        self._breakers = breakers
        self._requests = breakers.requests
        self._rq_active = settings.stats.rq_active
        self._on_empty = on_empty
        self.streams_per_dial = streams_per_dial
        self._idle: list[ConnectionT] = []  # without a request; the last one was used last
        self._connecting: set[ConnectionT] = set()
        self._connections: set[ConnectionT] = set()  # all of them: connecting, idle, busy
        self._waiting: deque[WaitingStream] = deque()
        self._idle_deadline: Deadline | None = None
        self.draining = False

    # ---- what protocols add

    def new_stream(self, receiver: ResponseReceiver) -> WaitingStream | None:
        """As upstream.cluster.UpstreamCluster.open_stream, once the host is chosen."""
        raise NotImplementedError

    def _make_connection(self, connection_id: int, now: float) -> ConnectionT:
        raise NotImplementedError

    def _on_too_old(self, connection: ConnectionT) -> None:
        """max_connection_duration is over."""
        raise NotImplementedError

    def _offer(self, connection: ConnectionT) -> None:
        """Give a connection that can take requests to those who wait longest, or keep it for later."""
        raise NotImplementedError

    # ---- requests

    def _wait(self, receiver: ResponseReceiver) -> WaitingStream | None:
        pending = self._breakers.pending
        if not pending.can_create():
            self.stats.rq_pending_overflow.inc()
            receiver.on_pool_failure(_OVERFLOW, "", None)  # as Envoy: no host was involved
            return None
        if self._settings.shed is not None and self._sheds(self._settings.shed):
            receiver.on_pool_failure(_OVERFLOW, "", self.host)
            return None
        pending.inc()
        self.stats.rq_pending_total.inc()
        self.stats.rq_pending_active.inc()
        self.host.rq_pending_active += 1
        stream = WaitingStream(self, receiver)
        self._waiting.append(stream)
        self._connect_for_waiting()
        return stream

    def _sheds(self, point: LoadShedPoint) -> bool:
        """Whether the connection that is needed is not made because a resource runs short."""
        if len(self._connecting) * self.streams_per_dial > len(self._waiting) or not point.sheds():
            return False
        self.stats.rq_pending_total.inc()
        self.stats.rq_cancelled.inc()
        return True

    def _not_waiting(self) -> None:
        self._breakers.pending.dec()
        self.stats.rq_pending_active.dec()
        self.host.rq_pending_active -= 1

    def on_cancelled(self, stream: WaitingStream) -> None:
        self._waiting.remove(stream)
        self._not_waiting()
        self.stats.rq_cancelled.inc()
        self._close_needless_dials()

    def _close_needless_dials(self) -> None:
        """A dial nobody waits for goes on, to serve the next request; in a draining pool there is none."""
        if self.draining:
            needed = -(-len(self._waiting) // self.streams_per_dial)
            for connection in list(self._connecting)[needed:]:
                connection.close()

    def on_stream_ended(self) -> None:
        """One exchange is over, well or not."""
        self._requests.dec()
        self._rq_active.value -= 1
        self.host.rq_active -= 1

    # ---- connections

    def _connect_for_waiting(self) -> None:
        """Open as many connections as are needed and allowed."""
        while len(self._connecting) * self.streams_per_dial < len(self._waiting):
            if not self._breakers.connections.can_create():
                self.stats.cx_overflow.inc()
                if self._connections:
                    return
            self._connect()

    def _connect(self) -> None:
        settings, stats = self._settings, self.stats
        connection = self._make_connection(settings.next_connection_id(), settings.clock())
        self._connecting.add(connection)
        self._connections.add(connection)
        self._breakers.connections.inc()
        stats.cx_total.inc()
        stats.cx_active.inc()
        self.host.cx_total += 1
        self.host.cx_active += 1
        connection.dial()

    def on_connected(self, connection: ConnectionT) -> None:
        settings = self._settings
        connection.connected_at = settings.clock()
        self.stats.cx_connect_ms.record(int((connection.connected_at - connection.started_at) * 1000))
        self._connecting.discard(connection)
        if settings.max_connection_duration:
            connection.deadline = settings.deadlines.arm(settings.max_connection_duration, lambda: self._on_too_old(connection))
        self._offer(connection)

    def on_connect_failed(self, connection: ConnectionT, reason: PoolFailure, details: str) -> None:
        self.stats.cx_connect_fail.inc()
        self.host.cx_connect_fail += 1
        if reason is _TIMEOUT:
            self.stats.cx_connect_timeout.inc()
        self._forget(connection, local=reason is _TIMEOUT, with_active_request=False)
        self._fail_waiting(reason, details)
        self._connect_for_waiting()
        self._close_needless_dials()
        self._look_empty()

    def _fail_waiting(self, reason: PoolFailure, details: str) -> None:
        """Fail those who wait now; who asks again from within the call waits for a new attempt."""
        failed, self._waiting = self._waiting, deque()
        receivers = []
        for stream in failed:
            self._not_waiting()
            self.stats.rq_pending_failure_eject.inc()
            if stream.receiver is not None:
                receivers.append(stream.receiver)
                stream.receiver = None
        for receiver in receivers:
            receiver.on_pool_failure(reason, details, self.host)

    def on_closed(self, connection: ConnectionT, local: bool, with_active_request: bool) -> None:
        """The connection is gone; nothing of it may be used again."""
        self._forget(connection, local, with_active_request)
        self._connect_for_waiting()
        self._look_empty()

    def _forget(self, connection: ConnectionT, local: bool, with_active_request: bool) -> None:
        self._connecting.discard(connection)
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if connection.deadline is not None:
            connection.deadline.cancel()
            connection.deadline = None
        self._breakers.connections.dec()
        self.host.cx_active -= 1
        self._count_destroyed(connection, local, with_active_request)

    def _count_destroyed(self, connection: ConnectionT, local: bool, with_active_request: bool) -> None:
        stats = self.stats
        stats.cx_active.dec()
        stats.cx_destroy.inc()
        (stats.cx_destroy_local if local else stats.cx_destroy_remote).inc()
        if with_active_request:
            stats.cx_destroy_with_active_rq.inc()
            (stats.cx_destroy_local_with_active_rq if local else stats.cx_destroy_remote_with_active_rq).inc()
        stats.cx_length_ms.record(int((self._settings.clock() - connection.started_at) * 1000))
        if connection.connected_at:
            stats.rq_per_cx.record(connection.requests)

    # ---- ageing and leaving

    def _keep(self, connection: ConnectionT) -> None:
        """Nobody wants the connection now."""
        settings = self._settings
        connection.idle_since = settings.clock()
        self._idle.append(connection)
        if self._idle_deadline is None and settings.idle_timeout:
            self._idle_deadline = settings.deadlines.arm(settings.idle_timeout, self._on_idle)

    def _on_idle(self) -> None:
        """Close what was idle for too long; look again when the next one may be."""
        self._idle_deadline = None
        settings = self._settings
        oldest_allowed = settings.clock() - settings.idle_timeout
        for connection in [connection for connection in self._idle if connection.idle_since <= oldest_allowed]:
            self.stats.cx_idle_timeout.inc()
            connection.close()
        if self._idle:
            wait = self._idle[0].idle_since - oldest_allowed
            self._idle_deadline = settings.deadlines.arm(wait, self._on_idle)

    def _is_too_old(self, connection: ConnectionT) -> bool:
        return self._settings.clock() - connection.connected_at >= self._settings.max_connection_duration

    def drain(self) -> None:
        """Take no new requests: who was accepted is served, then everything closes."""
        self.draining = True
        if self._idle_deadline is not None:
            self._idle_deadline.cancel()
            self._idle_deadline = None
        for connection in list(self._idle):
            connection.close()
        self._close_needless_dials()
        self._look_empty()

    def close(self) -> None:
        """Break off everything.  Who waits or is under way hears nothing more."""
        self.draining = True
        while self._waiting:
            self._waiting.pop().receiver = None
            self._not_waiting()
        for connection in list(self._connections):
            connection.abort()

    @property
    def unused(self) -> bool:
        return not self._connections and not self._waiting

    def _look_empty(self) -> None:
        if self.draining and self.unused:
            self._on_empty(self)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.host.address} connections={len(self._connections)} idle={len(self._idle)} "
            f"connecting={len(self._connecting)} waiting={len(self._waiting)}{' draining' if self.draining else ''}>"
        )
