"""Plain connections of one cluster: each is dialled for one receiver and serves nobody else.

Here: limits and counting around one connection's life, and its bytes.  Not here: dialling (connector), choosing the host (balancing),
what is sent (extensions.filters.network.tcp_proxy).
Envoy counts a connection as a pending request until it is there and as an active request from then on; so do we.
Envoy: Tcp::ConnPoolImpl, Tcp::ActiveTcpClient.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from dataplane.api.upstream import PoolFailure
from dataplane.base.address import Address, address_of
from dataplane.upstream.connector import Dialled

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataplane.api.tcp_upstream import TcpReceiver
    from dataplane.resilience.circuit import Breakers
    from dataplane.upstream.cluster_stats import ConnectionStats
    from dataplane.upstream.connector import Dial
    from dataplane.upstream.host import UpstreamHost
    from dataplane.upstream.pool_settings import PoolSettings

_OVERFLOW: Final = PoolFailure.OVERFLOW
_TIMEOUT: Final = PoolFailure.TIMEOUT


class TcpPool:
    """The plain connections of a cluster that are alive.  on_empty: called when the last of them is gone, while somebody waits for that."""

    __slots__ = ("breakers", "connections", "on_empty", "stats")

    def __init__(self, stats: ConnectionStats, breakers: Breakers) -> None:
        self.stats = stats
        self.breakers = breakers
        self.connections: set[TcpConnection] = set()
        self.on_empty: Callable[[], None] | None = None

    def connect(self, host: UpstreamHost, settings: PoolSettings, receiver: TcpReceiver) -> TcpConnection | None:
        """Dial *host* for *receiver*.  None when it was told of a failure already."""
        if not self.breakers.pending.can_create():
            self.stats.rq_pending_overflow.inc()
            receiver.on_pool_failure(_OVERFLOW, "", None)
            return None
        if settings.shed is not None and settings.shed.sheds():
            self.stats.rq_pending_total.inc()
            self.stats.rq_cancelled.inc()
            receiver.on_pool_failure(_OVERFLOW, "", host)
            return None
        connection = TcpConnection(self, host, settings, receiver)
        self._count_dial(host)
        self.connections.add(connection)
        connection.dial()
        return connection

    def _count_dial(self, host: UpstreamHost) -> None:
        stats = self.stats
        self.breakers.pending.inc()
        self.breakers.connections.inc()
        stats.rq_pending_total.inc()
        stats.rq_pending_active.inc()
        stats.cx_total.inc()
        stats.cx_active.inc()
        host.rq_pending_active += 1
        host.cx_total += 1
        host.cx_active += 1

    def not_pending(self, host: UpstreamHost) -> None:
        """A dial is over, well or not."""
        self.breakers.pending.dec()
        self.stats.rq_pending_active.dec()
        host.rq_pending_active -= 1

    def on_connected(self, connection: TcpConnection) -> None:
        stats, host = self.stats, connection.host
        self.not_pending(host)
        self.breakers.requests.inc()
        stats.rq_total.inc()
        stats.rq_active.inc()
        stats.cx_connect_ms.record(connection.age_ms())
        host.rq_total += 1
        host.rq_active += 1

    def on_connect_failed(self, connection: TcpConnection, reason: PoolFailure) -> None:
        stats = self.stats
        self.not_pending(connection.host)
        stats.rq_pending_failure_eject.inc()
        stats.cx_connect_fail.inc()
        connection.host.cx_connect_fail += 1
        if reason is _TIMEOUT:
            stats.cx_connect_timeout.inc()
        self.on_gone(connection, local=reason is _TIMEOUT)

    def on_closed(self, connection: TcpConnection, local: bool) -> None:
        """A connection that carried bytes is gone."""
        stats = self.stats
        self.breakers.requests.dec()
        stats.rq_active.dec()
        connection.host.rq_active -= 1
        stats.cx_destroy_with_active_rq.inc()
        (stats.cx_destroy_local_with_active_rq if local else stats.cx_destroy_remote_with_active_rq).inc()
        self.on_gone(connection, local)

    def on_gone(self, connection: TcpConnection, local: bool) -> None:
        stats = self.stats
        self.connections.discard(connection)
        self.breakers.connections.dec()
        connection.host.cx_active -= 1
        stats.cx_active.dec()
        stats.cx_destroy.inc()
        (stats.cx_destroy_local if local else stats.cx_destroy_remote).inc()
        stats.cx_length_ms.record(connection.age_ms())
        if not self.connections and self.on_empty is not None:
            self.on_empty()

    def close(self) -> None:
        """Break off everything.  Nobody hears of it."""
        for connection in list(self.connections):
            connection.abort()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} connections={len(self.connections)}>"


class TcpConnection(Dialled):
    """Implements api.tcp_upstream.TcpUpstream and PendingTcp."""

    __slots__ = (
        "_closed_by_us",
        "_dial",
        "_paused",
        "_pool",
        "_receiver",
        "_rx_bytes",
        "_settings",
        "_transport",
        "_tx_bytes",
        "connection_id",
        "host",
        "local_address",
        "started_at",
    )

    protocol = ""

    def __init__(self, pool: TcpPool, host: UpstreamHost, settings: PoolSettings, receiver: TcpReceiver) -> None:
        self._pool = pool
        self.host = host
        self._settings = settings
        self._receiver: TcpReceiver | None = receiver
        self._rx_bytes = pool.stats.cx_rx_bytes_total
        self._tx_bytes = pool.stats.cx_tx_bytes_total
        self.connection_id = settings.next_connection_id()
        self.started_at = settings.clock()
        self.local_address: Address | None = None
        self._dial: Dial | None = None
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._closed_by_us = False

    def age_ms(self) -> int:
        return int((self._settings.clock() - self.started_at) * 1000)

    # ---- connecting

    def dial(self) -> None:
        self._dial = self._settings.connector.connect(self.host.address, self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvloop's is none by inheritance
        if self._receiver is None:
            transport.abort()
            return
        self._transport = transport
        if self._dial is not None:
            self._dial.connected()
            self._dial = None
        self._settings.connector.tune(transport)
        self.local_address = address_of(transport.get_extra_info("sockname"))
        self._pool.on_connected(self)
        self._receiver.on_tcp_ready(self, self.host)

    def connect_failed(self, reason: PoolFailure, details: str) -> None:
        receiver, self._receiver = self._receiver, None
        self._dial = None
        if receiver is not None:
            self._pool.on_connect_failed(self, reason)
            receiver.on_pool_failure(reason, details, self.host)

    def cancel(self) -> None:
        """Give a dial up (api.tcp_upstream.PendingTcp)."""
        if self._receiver is None or self._transport is not None:
            return
        self._receiver = None
        if self._dial is not None:
            self._dial.cancel()
            self._dial = None
        self._pool.not_pending(self.host)
        self._pool.stats.rq_cancelled.inc()
        self._pool.on_gone(self, local=True)

    # ---- bytes

    def data_received(self, data: bytes) -> None:
        self._rx_bytes.value += len(data)
        if self._receiver is not None:
            self._receiver.on_upstream_data(data)

    def eof_received(self) -> bool:
        """True keeps the connection: it is closed when both sides have ended."""
        if self._receiver is None:
            return False
        self._receiver.on_upstream_end()
        return self._receiver is not None

    def pause_writing(self) -> None:
        self._pool.stats.flow_control_backed_up_total.inc()
        if self._receiver is not None:
            self._receiver.on_upstream_blocked()

    def resume_writing(self) -> None:
        self._pool.stats.flow_control_drained_total.inc()
        if self._receiver is not None:
            self._receiver.on_upstream_ready()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is None:
            return
        receiver, self._receiver = self._receiver, None
        self._pool.on_closed(self, self._closed_by_us)
        if receiver is not None:
            receiver.on_upstream_close("" if exc is None else str(exc) or type(exc).__name__)

    def write(self, data: bytes) -> None:
        assert self._transport is not None
        self._tx_bytes.value += len(data)
        self._transport.write(data)

    def end_writing(self) -> None:
        assert self._transport is not None
        if self._transport.is_closing():
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:  # TLS before its close_notify can be told apart from a close
            self._transport.close()

    def pause_reading(self) -> None:
        if self._transport is not None and not self._paused and not self._transport.is_closing():
            self._paused = True
            self._pool.stats.flow_control_paused_reading_total.inc()
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None and self._paused and not self._transport.is_closing():
            self._paused = False
            self._pool.stats.flow_control_resumed_reading_total.inc()
            self._transport.resume_reading()

    # ---- the end

    def close(self, by_us: bool = True) -> None:
        """Send what is buffered and close.  by_us: False where the host has ended, and we follow."""
        if self._transport is None:
            self.cancel()
            return
        self._receiver = None
        self._closed_by_us = by_us
        self._transport.close()

    def abort(self) -> None:
        """Break off; what is buffered is lost."""
        if self._transport is None:
            self.cancel()
            return
        self._receiver = None
        self._closed_by_us = True
        self._transport.abort()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} C{self.connection_id} {self.host.address}>"
