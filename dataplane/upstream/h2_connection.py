"""One HTTP/2 connection to a host: many requests at a time, no task and no future.

Here: frames to streams and back, what each kind of end means.  Not here: the protocol (semantics.h2_session), one request (h2_stream), who
gets the connection next (pool_h2).
The order that must hold when a response ends: first the pool hears that the stream is free, then the receiver hears of the end, as the
last thing that happens.
Envoy: Http2::ClientConnectionImpl, CodecClient.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from dataplane.api.upstream import PoolFailure, StreamReset
from dataplane.base.address import Address, address_of
from dataplane.base.reading_turns import LARGE_READ
from dataplane.semantics import h2_session
from dataplane.semantics.h2_floods import PeerFrames, flood_of
from dataplane.semantics.h2_headers import header_bytes, response_headers
from dataplane.semantics.h2_keepalive import Keepalive
from dataplane.semantics.h2_session import H2Session
from dataplane.semantics.header_map import HeaderMap
from dataplane.upstream.h2_resets import count_reset, reason_of
from dataplane.upstream.h2_stream import H2ClientStream
from dataplane.upstream.h2_writer import H2Writer

if TYPE_CHECKING:
    from dataplane.api.upstream import ResponseReceiver
    from dataplane.base.deadlines import Deadline
    from dataplane.observe.tls_facts import TlsFacts
    from dataplane.upstream.connector import Dial
    from dataplane.upstream.pool_h2 import H2Pool

_CONNECTING, _OPEN, _CLOSED = range(3)

_TERMINATION: Final = StreamReset.CONNECTION_TERMINATION
_PROTOCOL_ERROR: Final = StreamReset.PROTOCOL_ERROR


class H2Connection(H2Writer):
    """Implements api.upstream.UpstreamConnectionInfo.  active: streams under way.  going_away: no stream after them."""

    __slots__ = (
        "_dial",
        "_http2",
        "_keepalive",
        "_limit",
        "_resets",
        "_state",
        "_streams_active",
        "active",
        "connected_at",
        "connection_id",
        "deadline",
        "frames",
        "going_away",
        "idle_since",
        "local_address",
        "requests",
        "started_at",
        "tls",
    )

    protocol = "HTTP/2"
    deadline: Deadline | None  # of the connection's age, where that is limited

    def __init__(self, pool: H2Pool, connection_id: int, now: float) -> None:
        limits = {"max_header_bytes": pool.max_head_bytes, "max_header_count": pool.http2.max_headers_count}
        super().__init__(pool, H2Session(pool.http2.options, client=True, **limits))
        self._http2 = pool.http2.stats()
        self._streams_active = self._http2.streams_active
        self.connection_id = connection_id
        self.local_address: Address | None = None
        self.tls: TlsFacts | None = None
        self.started_at = now
        self.connected_at = 0.0
        self.idle_since = 0.0
        self.requests = 0
        self.frames = PeerFrames(pool.http2.options)
        self.active = 0
        self.going_away = False
        self.deadline = None
        self._limit = pool.streams_per_dial
        self._dial: Dial | None = None
        self._keepalive: Keepalive | None = None
        self._resets: set[int] = set()  # streams that we reset, or the host, until the session has said so
        self._state = _CONNECTING

    # ---- connecting

    def dial(self) -> None:
        self._dial = self._pool.connector.connect(self._pool.host.address, self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvloop's is none by inheritance
        if self._state == _CLOSED:  # the loop heard too late.  It would keep us with a transport that we kept
            transport.abort()
            return
        self.transport = transport
        self._state = _OPEN
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
        if self._state == _CONNECTING:
            self._state = _CLOSED
            self._dial = None
            self._pool.on_connect_failed(self, reason, details)

    @property
    def is_open(self) -> bool:
        return self._state == _OPEN

    @property
    def has_room(self) -> bool:
        """Whether another stream may begin now.  False once the transport began to close, even when nobody told us yet."""
        return self.active < self._limit and self._state == _OPEN and not self.going_away and not self.transport.is_closing()

    # ---- streams

    def start(self, receiver: ResponseReceiver) -> H2ClientStream:
        """Begin an exchange.  The pool calls this, then `receiver.on_pool_ready`."""
        if not self.active and self._keepalive is not None:
            self._ping_after_idleness(self._keepalive)
        self.active += 1
        self.requests += 1
        self._streams_active.value += 1
        return H2ClientStream(self, receiver)

    def _ping_after_idleness(self, keepalive: Keepalive) -> None:
        settings = self._pool.http2.options.keepalive
        if not settings.idle_interval or not self.idle_since:
            return
        if self._pool.settings.clock() - self.idle_since >= settings.idle_interval:
            keepalive.ping()

    def _take_out(self, stream: H2ClientStream) -> None:
        """The stream carries nothing more, and its window is given back."""
        if stream.unacknowledged:
            stream.acknowledge()
        self.streams.pop(stream.stream_id, None)
        if self._waiting:
            self._waiting.discard(stream)
        self.active -= 1
        self._streams_active.value -= 1

    def _end(self, stream: H2ClientStream) -> ResponseReceiver:
        """The response is complete.  A request that is not goes no further."""
        receiver = stream.receiver
        assert receiver is not None
        stream.receiver = None
        self._take_out(stream)
        if not stream.request_done:
            self._give_up(stream)
        self._pool.on_exchange_done(self)
        return receiver

    def on_given_up(self, stream: H2ClientStream) -> None:
        """Our side resets the stream."""
        self._take_out(stream)
        if self._state != _OPEN:
            self._pool.on_stream_ended()
            return
        if stream.stream_id and stream.stream_id not in self._resets:
            self._give_up(stream)
        self._pool.on_exchange_done(self)

    def _give_up(self, stream: H2ClientStream) -> None:
        self.stats.rq_tx_reset.value += 1
        if self.active or not self.going_away:  # else the connection ends with it
            self._reset(stream.stream_id, h2_session.INTERNAL_ERROR)  # as Envoy

    def fail(self, stream: H2ClientStream, reason: StreamReset) -> None:
        """The stream ends without a (whole) response; its connection lives on."""
        receiver = stream.receiver
        if receiver is None:
            return
        stream.receiver = None
        self._take_out(stream)
        count_reset(self.stats, reason)
        self._pool.on_exchange_done(self)
        receiver.on_reset(reason, "")

    def _reset(self, stream_id: int, code: int) -> None:
        self._http2.tx_reset.inc()
        self._resets.add(stream_id)
        self.session.reset_stream(stream_id, code)
        self.enlist()

    # ---- from the host

    def data_received(self, data: bytes) -> None:
        self.stats.cx_rx_bytes_total.value += len(data)
        self._handle(self.session.receive(data))
        if self._state != _OPEN:
            return
        if self.session.error:
            self._on_flood(flood_of(self.session.error))
        elif self.session.wants_write:
            self.enlist()
        if len(data) >= LARGE_READ:
            self.end_turn()

    def _handle(self, events: list[Any]) -> None:
        """A head waits for the next event of its stream: a response that came whole in one read is handed over whole."""
        streams, resets = self.streams, self._resets
        heads: dict[int, h2_session.ResponseReceived] = {}
        for event in events:
            kind = type(event)
            if kind is _DATA:
                head = heads.pop(event.stream_id, None)
                if head is None:
                    self._on_data(event)
                else:
                    self._on_head_and_data(head, event)
            elif kind is _RESPONSE and not event.end_stream:
                heads[event.stream_id] = event
            elif kind is not _STREAM_CLOSED or event.stream_id in streams or event.stream_id in resets:
                if heads:
                    self._on_responses(heads)
                if (handler := _HANDLERS.get(kind)) is not None:
                    handler(self, event)
            if self._state != _OPEN:
                return
        if heads:
            self._on_responses(heads)

    def _on_responses(self, heads: dict[int, h2_session.ResponseReceived]) -> None:
        """Heads that have waited long enough."""
        while heads and self._state == _OPEN:
            self._on_response(heads.pop(next(iter(heads))))

    def _on_head_and_data(self, head: h2_session.ResponseReceived, body: h2_session.DataReceived) -> None:
        received, stream = head.headers, self.streams.get(head.stream_id)
        if stream is None or stream.receiver is None or self._is_too_large(stream, received):
            self._on_data(body)
            return
        headers, receiver = response_headers(received), stream.receiver
        data = body.data
        if data and body.end_stream and receiver.takes_whole(headers):
            self.session.acknowledge(stream.stream_id, len(data))
            self._end(stream)
            receiver.on_whole(headers, data)
        else:
            stream.head = received
            receiver.on_headers(headers, False)
            self._on_data(body)

    def _on_informational(self, event: h2_session.InformationalResponseReceived) -> None:
        stream = self.streams.get(event.stream_id)
        if stream is not None and stream.receiver is not None:
            stream.receiver.on_informational(response_headers(event.headers))

    def _on_response(self, event: h2_session.ResponseReceived) -> None:
        stream = self.streams.get(event.stream_id)
        if stream is None or stream.receiver is None:
            return
        if self._is_too_large(stream, event.headers):
            return
        headers = response_headers(event.headers)
        if event.end_stream:
            self._end(stream).on_headers(headers, True)
        else:
            stream.head = event.headers
            stream.receiver.on_headers(headers, False)

    def _is_too_large(self, stream: H2ClientStream, received: tuple[tuple[bytes, bytes], ...]) -> bool:
        """Whether the head was over a limit, which ends its stream."""
        if header_bytes(received) > self._pool.max_head_bytes:
            self._http2.header_list_size_too_large.inc()
        elif len(received) > self._pool.http2.max_headers_count:
            self._http2.header_overflow.inc()
        else:
            return False
        self._reset(stream.stream_id, h2_session.INTERNAL_ERROR)
        self.fail(stream, StreamReset.REMOTE_RESET)  # as Envoy calls it
        return True

    def _on_data(self, event: h2_session.DataReceived) -> None:
        stream = self.streams.get(event.stream_id)
        data = event.data
        if stream is None or stream.receiver is None:
            self.session.acknowledge(event.stream_id, len(data))
        elif event.end_stream:
            self.session.acknowledge(event.stream_id, len(data))
            self._end(stream).on_data(data, True)
        elif data:
            self.frames.empty = 0
            stream.decode_data(data)
        elif self.frames.one_more_empty():
            self._on_flood("inbound_empty_frames_flood")

    def _on_window(self, event: h2_session.WindowUpdated) -> None:
        if self.frames.one_more_update(self.requests):
            self._on_flood("inbound_window_update_frames_flood")

    def _on_flood(self, statistic: str) -> None:
        """The host sends more than is good for us, or than the session bears.  statistic: below `http2.`, "" for none."""
        if statistic:
            getattr(self._http2, statistic).inc()
        self._break_off(_PROTOCOL_ERROR, local=True)

    def _on_trailers(self, event: h2_session.TrailersReceived) -> None:
        stream = self.streams.get(event.stream_id)
        if stream is None or stream.receiver is None or self._is_too_large(stream, event.headers):
            return
        self._end(stream).on_trailers(HeaderMap(list(event.headers)))

    def _on_reset(self, event: h2_session.StreamReset) -> None:
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            self._http2.rx_reset.inc()
            self._resets.add(event.stream_id)
            self.fail(stream, reason_of(event.error_code))

    def _on_stream_closed(self, event: h2_session.StreamClosed) -> None:
        """Told last of each stream; for one that is still ours it tells a broken rule, or that a GOAWAY left it out."""
        stream_id = event.stream_id
        self._resets.discard(stream_id)
        stream = self.streams.get(stream_id)
        if stream is None:
            return
        if event.error_code == h2_session.REFUSED_STREAM:
            self.fail(stream, StreamReset.REMOTE_REFUSED_STREAM)
            return
        wrong_length = stream.knows_length
        if not wrong_length:
            self._http2.rx_messaging_error.inc()
        if wrong_length or self._pool.http2.options.stream_error_on_invalid_message:
            self._http2.tx_reset.inc()  # the session has sent it
            self.fail(stream, _PROTOCOL_ERROR)
        else:
            self._break_off(_PROTOCOL_ERROR, local=True)

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
        if self._state == _CLOSED:
            return
        if reason is _PROTOCOL_ERROR:
            self.stats.cx_protocol_error.value += 1
        for receiver in self._close(local, by_rule=reason is _PROTOCOL_ERROR):
            count_reset(self.stats, reason)
            receiver.on_reset(reason, "")

    def close(self) -> None:
        """Close an idle or connecting connection."""
        assert not self.active
        if self._state == _OPEN and not self.session.error:
            self.session.terminate(h2_session.NO_ERROR)
            self.flush()
        self._close(local=True)

    def abort(self) -> None:
        """Break off whatever is under way; receivers hear nothing more."""
        self._close(local=True)

    def _close(self, local: bool, by_rule: bool = False) -> list[ResponseReceiver]:
        """Returns who is still to hear of it.  by_rule: for a broken one; as Envoy, its streams ended before it did."""
        if self._state == _CLOSED:
            return []
        connecting = self._state == _CONNECTING
        self._state = _CLOSED
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


_RESPONSE: Final = h2_session.ResponseReceived
_DATA: Final = h2_session.DataReceived
_STREAM_CLOSED: Final = h2_session.StreamClosed

_HANDLERS: Final[dict[type[Any], Callable[[H2Connection, Any], None]]] = {
    h2_session.ResponseReceived: H2Connection._on_response,
    h2_session.DataReceived: H2Connection._on_data,
    h2_session.TrailersReceived: H2Connection._on_trailers,
    h2_session.InformationalResponseReceived: H2Connection._on_informational,
    h2_session.StreamReset: H2Connection._on_reset,
    h2_session.StreamClosed: H2Connection._on_stream_closed,
    h2_session.SettingsReceived: H2Connection._on_settings,
    h2_session.GoAwayReceived: H2Connection._on_goaway,
    h2_session.WindowUpdated: H2Connection._on_window,
    h2_session.PingAcknowledged: H2Connection._on_pong,
    h2_session.ConnectionClosed: H2Connection._on_ended,
}
