"""One HTTP/2 connection to a host: many requests at a time, no task and no future.

Here: its life, from the dial to each kind of end, and what the host says of it as a whole.  Not here: its streams (h2_reader), what it writes
(h2_writer), who gets it next (pool_h2).
Envoy: Http2::ClientConnectionImpl, CodecClient.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from dataplane.api.upstream import PoolFailure, StreamReset
from dataplane.base.address import Address, address_of
from dataplane.semantics import h2_session
from dataplane.semantics.h2_keepalive import Keepalive
from dataplane.upstream.h2_reader import H2Reader
from dataplane.upstream.h2_resets import count_reset
from dataplane.upstream.h2_writer import CLOSED, CONNECTING, OPEN

if TYPE_CHECKING:
    from dataplane.api.upstream import ResponseReceiver
    from dataplane.base.deadlines import Deadline
    from dataplane.observe.tls_facts import TlsFacts
    from dataplane.upstream.connector import Dial
    from dataplane.upstream.h2_stream import H2ClientStream
    from dataplane.upstream.pool_h2 import H2Pool

_TERMINATION: Final = StreamReset.CONNECTION_TERMINATION
_PROTOCOL_ERROR: Final = StreamReset.PROTOCOL_ERROR


class H2Connection(H2Reader):
    """Implements api.upstream.UpstreamConnectionInfo."""

    __slots__ = (
        "_dial",
        "_keepalive",
        "_limit",
        "connected_at",
        "connection_id",
        "deadline",
        "idle_since",
        "local_address",
        "started_at",
        "tls",
    )

    protocol = "HTTP/2"
    deadline: Deadline | None  # of the connection's age, where that is limited

    def __init__(self, pool: H2Pool, connection_id: int, now: float) -> None:
        super().__init__(pool)
        self.connection_id = connection_id
        self.local_address: Address | None = None
        self.tls: TlsFacts | None = None
        self.started_at = now
        self.connected_at = 0.0
        self.idle_since = 0.0
        self.deadline = None
        self._limit = pool.streams_per_dial
        self._dial: Dial | None = None
        self._keepalive: Keepalive | None = None

    # ---- connecting

    def dial(self) -> None:
        self._dial = self._pool.connector.connect(self._pool.host.address, self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvloop's is none by inheritance
        if self._state == CLOSED:  # the loop heard too late.  It would keep us with a transport that we kept
            transport.abort()
            return
        self.transport = transport
        self._state = OPEN
        if self._dial is not None:
            self._dial.connected()
            self._dial = None
        self._pool.connector.tune(transport)
        self.tls = getattr(transport, "facts", None)
        self.local_address = address_of(transport.get_extra_info("sockname"))
        self._http2.nghttp2_upstream_connections.inc()
        http2 = self._pool.http2
        if http2.options.keepalive.timeout:
            self._keepalive = Keepalive(http2.options.keepalive, self, self._pool.settings.deadlines, http2.chance)
        self.enlist()
        self._pool.on_connected(self)

    def connect_failed(self, reason: PoolFailure, details: str) -> None:
        if self._state == CONNECTING:
            self._state = CLOSED
            self._dial = None
            self._pool.on_connect_failed(self, reason, details)

    @property
    def has_room(self) -> bool:
        """Whether another stream may begin now.  False once the transport began to close, even when nobody told us yet."""
        return self.active < self._limit and self._state == OPEN and not self.going_away and not self.transport.is_closing()

    def start(self, receiver: ResponseReceiver) -> H2ClientStream:
        """As H2Reader.  A host that was not asked for long is asked whether it is still there."""
        if not self.active and self._keepalive is not None:
            self._ping_after_idleness(self._keepalive)
        return super().start(receiver)

    def _ping_after_idleness(self, keepalive: Keepalive) -> None:
        settings = self._pool.http2.options.keepalive
        if not settings.idle_interval or not self.idle_since:
            return
        if self._pool.settings.clock() - self.idle_since >= settings.idle_interval:
            keepalive.ping()

    def _tell_stream_over(self) -> None:
        self._pool.on_exchange_done(self)

    # ---- from the host

    def _on_connection_event(self, event: Any) -> None:
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    def _on_window(self, event: h2_session.WindowUpdated) -> None:
        if self.frames.one_more_update(self.requests):
            self._on_flood("inbound_window_update_frames_flood")

    def _on_settings(self, event: h2_session.SettingsReceived) -> None:
        allowed = event.settings.get(h2_session.MAX_CONCURRENT_STREAMS)
        if allowed is not None:
            before, self._limit = self._limit, min(allowed, self._pool.streams_per_dial)
            if self._limit > before:
                self._pool.on_room(self)

    def _on_goaway(self, event: h2_session.GoAwayReceived) -> None:
        self.stats.cx_close_notify.value += 1
        self._pool.on_going_away(self)

    def _on_pong(self, event: h2_session.PingAcknowledged) -> None:
        if self._keepalive is not None:
            self._keepalive.on_answer()

    def _on_ended(self, event: h2_session.ConnectionClosed) -> None:
        """The session has given up on the host; after a GOAWAY of the host's it only says that all streams are done."""
        if event.error_code and (self.active or not self.going_away):
            self._break_off(_PROTOCOL_ERROR, local=True)

    # ---- ends

    def on_keepalive_timeout(self) -> None:
        self._http2.keepalive_timeout.inc()
        self._break_off(_TERMINATION, local=True)

    def eof_received(self) -> bool:
        """The host's FIN ends the connection: nothing more can be asked on it."""
        self._break_off(_TERMINATION, local=False)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._break_off(_TERMINATION, local=False)

    def _break_off(self, reason: StreamReset, local: bool) -> None:
        """The connection ends under its streams, if there are any."""
        if self._state == CLOSED:
            return
        if reason is _PROTOCOL_ERROR:
            self.stats.cx_protocol_error.value += 1
        for receiver in self._close(local, by_rule=reason is _PROTOCOL_ERROR):
            count_reset(self.stats, reason)
            receiver.on_reset(reason, "")

    def close(self) -> None:
        """Close an idle or connecting connection."""
        assert not self.active
        if self._state == OPEN and not self.session.error:
            self.session.terminate(h2_session.NO_ERROR)
            self.flush()
        self._close(local=True)

    def abort(self) -> None:
        """Break off whatever is under way; receivers hear nothing more."""
        self._close(local=True)

    def _close(self, local: bool, by_rule: bool = False) -> list[ResponseReceiver]:
        """Returns who is still to hear of it.  by_rule: for a broken one; as Envoy, its streams ended before it did."""
        if self._state == CLOSED:
            return []
        connecting = self._state == CONNECTING
        self._state = CLOSED
        receivers = self._let_go()
        if self._keepalive is not None:
            self._keepalive.stop()
        self._pool.on_closed(self, local=local, with_active_request=bool(receivers) and not by_rule)
        if not connecting:
            self.transport.close()
        elif self._dial is not None:
            self._dial.cancel()
            self._dial = None
        return receivers

    def _let_go(self) -> list[ResponseReceiver]:
        receivers = []
        for stream in list(self.streams.values()):
            if stream.receiver is not None:
                receivers.append(stream.receiver)
                stream.receiver = None
            self._take_out(stream)
            self._pool.on_stream_ended()
        return receivers

    def __repr__(self) -> str:
        state = ("connecting", "open", "closed")[self._state] + (" going away" if self.going_away else "")
        return f"<{type(self).__name__} C{self.connection_id} {self._pool.host.address} {state} active={self.active}>"


_HANDLERS: Final[dict[type[Any], Callable[[H2Connection, Any], None]]] = {
    h2_session.SettingsReceived: H2Connection._on_settings,
    h2_session.GoAwayReceived: H2Connection._on_goaway,
    h2_session.WindowUpdated: H2Connection._on_window,
    h2_session.PingAcknowledged: H2Connection._on_pong,
    h2_session.ConnectionClosed: H2Connection._on_ended,
}
