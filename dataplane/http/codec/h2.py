"""HTTP/2 towards downstream: one connection's frames to streams, and their responses to frames.

Here: streams by number, limits of heads, floods, what each mistake of a client costs.  Not here: the protocol (semantics.h2_session), one
stream (http.codec.h2_stream), when a connection ends (http.connection_manager).
A message that breaks the rules ends the connection, as Envoy does unless told otherwise.
Envoy differs: it closes without a word, we send a GOAWAY that says why.
Envoy: Http2::ServerConnectionImpl.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import random
from typing import TYPE_CHECKING, Any, Final

from dataplane.base.reading_turns import A_TURN
from dataplane.http.codec.h2_held import HeldResponses
from dataplane.http.codec.h2_stream import Http2Stream
from dataplane.observe import flags
from dataplane.semantics import h2_session
from dataplane.semantics.h2_floods import DATA_FRAME, PeerFrames, flood_of
from dataplane.semantics.h2_headers import declares_length, from_extended_connect, header_bytes, request_headers
from dataplane.semantics.h2_keepalive import Keepalive
from dataplane.semantics.h2_session import H2Session
from dataplane.semantics.header_map import HeaderMap

if TYPE_CHECKING:
    from dataplane.base.errors import ProtocolError
    from dataplane.http.connection_manager import HttpConnection
    from dataplane.http.stream import Stream

# Envoy: overload.premature_reset_total_stream_count and overload.premature_reset_min_stream_lifetime_seconds.
_PREMATURE_TOTAL: Final = 500
_PREMATURE_SECONDS: Final = 1.0


_FLAGS: Final = {h2_session.PROTOCOL_ERROR: flags.DOWNSTREAM_PROTOCOL_ERROR}
"""How a client's reset is logged, by its error code, where it says more than that."""


def _nowhere(data: bytes) -> None:
    """Where a closed connection writes."""


class Http2Codec(HeldResponses):
    """Implements http.codec.interface.Codec."""

    __slots__ = (
        "_closed",
        "_connection",
        "_ended",
        "_enlisted",
        "_events",
        "_frames",
        "_keepalive",
        "_last_word",
        "_manager",
        "_max_bytes",
        "_max_count",
        "_options",
        "_premature",
        "_streams_active",
        "_write",
        "stats",
    )

    protocol = "HTTP/2"

    def __init__(self, connection: HttpConnection) -> None:
        manager = connection.manager
        config = manager.config
        max_bytes, max_count = config.max_request_headers_kb * 1024, config.max_headers_count
        session = H2Session(config.http2, client=False, max_header_bytes=max_bytes, max_header_count=max_count)
        super().__init__(session, manager.http2_stats)
        self._connection = connection
        self._manager = manager
        self._write = connection.downstream.write
        self._options = config.http2
        self._max_bytes = max_bytes
        self._max_count = max_count
        self.stats = manager.stats
        self._streams_active = manager.http2_stats.streams_active
        self._http2.nghttp2_downstream_connections.inc()
        self._enlisted = False
        self._closed = False
        self._frames = PeerFrames(config.http2)
        self._events: list[Any] = []  # those that wait for their turn; nothing is read meanwhile
        self._ended = 0
        self._premature = 0
        self._last_word = 0  # the error code of the client's GOAWAY
        self._keepalive: Keepalive | None = None
        if config.http2.keepalive.interval:
            self._keepalive = Keepalive(config.http2.keepalive, self, manager.server.deadlines, random)

    # From the socket (http.codec.interface.Codec)

    def on_data(self, data: bytes) -> None:
        self.stats.cx_rx_bytes_total.value += len(data)
        if self._closed:
            return
        events = self.session.receive(data)
        if self._events:
            self._events += events
        else:
            self._take(events)

    def _take(self, events: list[Any]) -> None:
        """What a read brought: as much of it at once as others can wait for."""
        session = self.session
        if len(events) > A_TURN:
            self._events = events[A_TURN:]
            del events[A_TURN:]
            self._connection.downstream.pause_reading()
            self._manager.writes.call_soon(self._begin_turn)
        self._handle(events)
        if session.error and not self._closed and not self._events:
            self._on_unbearable(session.error)
        elif session.wants_write:
            self.enlist()

    def _begin_turn(self) -> None:
        if self._closed:
            return
        events, self._events = self._events, []
        try:
            self._take(events)
        except Exception:
            self._connection.downstream.reset()  # a mistake of ours, which the loop logs; it would not be read again
            raise
        if not self._events:
            self._connection.downstream.resume_reading()

    def _handle(self, events: list[Any]) -> None:
        lingering, resets = self._lingering, self._resets
        for event in events:
            kind = type(event)
            if kind is _STREAM_CLOSED and not event.error_code and event.stream_id not in resets:
                lingering.pop(event.stream_id, None)  # as nearly every stream ends
            elif (handler := _HANDLERS.get(kind)) is not None:
                handler(self, event)
                if self._closed:
                    return

    def open_streams(self) -> Iterable[Stream]:
        return [each.stream for each in self._streams.values()]

    @property
    def is_idle(self) -> bool:
        return not self._streams and not self._lingering

    def flush(self) -> None:
        """Write what the session has.  While the socket is full it keeps it, in the limits of each stream."""
        self._enlisted = False
        if not self._connection.downstream.is_writable:
            return
        self._write_out()
        if self._closed:
            return
        if self._events:
            self._events += self.session.events()
        else:
            self._handle(self.session.events())
        if self._wrote or self._waiting:
            self._look_at_queues()
        if self._lingering:
            self._look_at_lingering()
        if self._connection.closing and self.is_idle:
            self._connection.on_codec_idle()

    def _write_out(self) -> None:
        data = self.session.take_output()
        if data:
            self.stats.cx_tx_bytes_total.value += len(data)
            self._write(data)

    def enlist(self) -> None:
        if not self._enlisted:
            self._enlisted = True
            self._manager.writes.add(self)

    def on_data_queued(self, stream: Http2Stream, size: int) -> None:
        """A piece of a response waits to be sent."""
        self._frames.data_frames += size // DATA_FRAME + 1
        if not stream.local_ended:
            self._wrote.append(stream)
        self.enlist()

    def on_write_blocked(self) -> None:
        for stream_id, stream in list(self._streams.items()):
            if stream_id in self._streams:  # what one is told may end another
                stream.block()

    def on_write_ready(self) -> None:
        for stream_id, stream in list(self._streams.items()):
            if stream_id in self._streams:
                stream.unblock()
        self.flush()

    def on_close(self) -> None:
        """The socket is gone."""
        self._closed = True
        self._write = _nowhere
        self._events.clear()
        self._lingering.clear()
        self._wrote.clear()
        self._waiting.clear()
        if self._keepalive is not None:
            self._keepalive.stop()

    # Events, in the order of their frames

    def _on_request(self, event: h2_session.RequestReceived) -> None:
        self._frames.empty = 0
        received, stream_id, end_stream = event.headers, event.stream_id, event.end_stream
        encoder = Http2Stream(self, stream_id, end_stream)
        headers, size = request_headers(received)
        stream = encoder.stream = self._connection.begin_stream(encoder, self._manager.clock())
        self._streams[stream_id] = encoder
        self._streams_active.value += 1
        stream.request_headers_bytes = size
        if not end_stream:
            encoder.head = received
        if len(received) > self._max_count or size > self._max_bytes:
            self._refuse_size(encoder, size)
            return
        if headers.method == b"CONNECT":
            stream.wants_upgrade = True
            from_extended_connect(headers)
        stream.decode_headers(headers, end_stream)

    def _refuse_size(self, encoder: Http2Stream, size: int) -> None:
        """Envoy says nothing but RST_STREAM, and logs it as if the client had reset the stream."""
        if size > self._max_bytes:
            self._http2.header_list_size_too_large.inc()
            details = "http2.header_list_size_too_large"
        else:
            self._http2.header_overflow.inc()
            details = "http2.too_many_headers"
        encoder.stream.on_connection_lost(details, flags.DOWNSTREAM_REMOTE_RESET)

    def _on_body(self, event: h2_session.DataReceived) -> None:
        data = event.data
        if data:
            self._frames.empty = 0
        elif not event.end_stream and self._frames.one_more_empty():
            self._http2.inbound_empty_frames_flood.inc()
            self._fail("http2.inbound_empty_frames_flood", h2_session.ENHANCE_YOUR_CALM)
            return
        encoder = self._streams.get(event.stream_id)
        if encoder is not None:
            encoder.decode_data(data, event.end_stream)
            return
        self.session.acknowledge(event.stream_id, len(data))
        if event.end_stream and (lingering := self._lingering.get(event.stream_id)) is not None:
            lingering.remote_ended = True

    def _on_trailers(self, event: h2_session.TrailersReceived) -> None:
        self._http2.trailers.inc()
        self._frames.empty = 0
        encoder = self._streams.get(event.stream_id)
        if encoder is None:
            if (lingering := self._lingering.get(event.stream_id)) is not None:
                lingering.remote_ended = True
            return
        encoder.remote_ended = True
        size = header_bytes(event.headers)
        if len(event.headers) > self._max_count or size > self._max_bytes:
            self._refuse_size(encoder, size)
        else:
            encoder.stream.decode_trailers(HeaderMap(list(event.headers)))

    def _on_reset(self, event: h2_session.StreamReset) -> None:
        stream_id = event.stream_id
        encoder = self._streams.get(stream_id)
        if encoder is None and self._lingering.pop(stream_id, None) is None:
            return
        self._http2.rx_reset.inc()
        self._resets.add(stream_id)  # closed already: nothing is to be sent for it
        if encoder is None:
            return
        stream = encoder.stream
        if self._manager.clock() - stream.start_at < _PREMATURE_SECONDS:
            self._premature += 1
        refused = event.error_code == h2_session.REFUSED_STREAM
        flag = _FLAGS.get(event.error_code, flags.DOWNSTREAM_REMOTE_RESET)
        stream.on_connection_lost("http2.remote_refuse" if refused else "http2.remote_reset", flag)
        if self._premature * 2 >= max(_PREMATURE_TOTAL, self._ended):
            self.stats.rq_too_many_premature_resets.inc()
            self._fail("too_many_premature_resets", h2_session.ENHANCE_YOUR_CALM)

    def _on_stream_closed(self, event: h2_session.StreamClosed) -> None:
        """Both sides are done with it; or one of them broke a rule, which nothing else tells."""
        stream_id = event.stream_id
        answered = self._lingering.pop(stream_id, None)
        if stream_id in self._resets:
            self._resets.discard(stream_id)
        elif answered is not None:
            self._http2.tx_reset.inc()  # the session has sent it: the rest of the request is of another length than was said
        elif event.error_code:
            self._on_broken_message(stream_id)

    def _on_broken_message(self, stream_id: int) -> None:
        encoder = self._streams.get(stream_id)
        if encoder is not None and declares_length(encoder.head):
            self._on_wrong_length(encoder)
            return
        self._http2.rx_messaging_error.inc()
        if encoder is None:  # refused with its head: even that is a stream for the log
            encoder = Http2Stream(self, stream_id, False)
            encoder.stream = self._connection.begin_stream(encoder, self._manager.clock())
            self._streams[stream_id] = encoder
            self._streams_active.value += 1
            details = "http2.invalid.header.field"
        else:
            details = "http2.violation.of.messaging.rule"
        self._resets.add(stream_id)
        self.refuse(encoder.stream, details)
        self._resets.discard(stream_id)

    def _on_wrong_length(self, encoder: Http2Stream) -> None:
        """The session has reset the stream.  Envoy logs that as if the client had."""
        self._http2.tx_reset.inc()
        self._resets.add(encoder.stream_id)
        encoder.stream.on_connection_lost("http2.remote_reset", flags.DOWNSTREAM_PROTOCOL_ERROR)
        self._resets.discard(encoder.stream_id)

    def _on_window(self, event: h2_session.WindowUpdated) -> None:
        if self._frames.one_more_update(self._ended + len(self._streams)):
            self._http2.inbound_window_update_frames_flood.inc()
            self._fail("codec_error:Too_many_WINDOW_UPDATE_frames", h2_session.ENHANCE_YOUR_CALM)

    def _on_goaway(self, event: h2_session.GoAwayReceived) -> None:
        self._last_word = event.error_code

    def _on_pong(self, event: h2_session.PingAcknowledged) -> None:
        if self._keepalive is not None:
            self._keepalive.on_answer()

    def _on_ended(self, event: h2_session.ConnectionClosed) -> None:
        """The session has given up on the client, or the client has said a last word, whatever that was: what is under way is finished."""
        if event.error_code and event.error_code != self._last_word:
            reason = event.debug_data.decode("latin-1") or "http2_protocol_error"
            self._fail(f"codec_error:{reason.replace(' ', '_')}", None)

    # What goes wrong

    def refuse(self, stream: Stream, details: str) -> None:
        """The stream's message breaks the rules."""
        if self._options.stream_error_on_invalid_message:
            stream.encoder.reset_code = h2_session.PROTOCOL_ERROR  # type: ignore[attr-defined]  # an Http2Stream
            stream.on_connection_lost(details, flags.DOWNSTREAM_PROTOCOL_ERROR)
        else:
            self._fail(details, h2_session.PROTOCOL_ERROR)

    def on_protocol_error(self, stream: Stream, error: ProtocolError) -> None:
        self.refuse(stream, error.details.replace("http1.", "http2."))

    def _on_unbearable(self, reason: str) -> None:
        """The session is broken and says nothing more."""
        statistic = flood_of(reason)
        if statistic:
            getattr(self._http2, statistic).inc()
        if statistic == "outbound_control_flood":
            reason = "Too_many_control_frames_in_the_outbound_queue."
        self._fail(f"codec_error:{reason.replace(' ', '_')}", None)

    def _fail(self, details: str, code: int | None) -> None:
        """Give the connection up.  code: what to tell the client; None: it was told, or cannot be."""
        if code is not None:
            self.session.terminate(code)
        self._closed = True
        self._connection.on_codec_error(details)

    def on_keepalive_timeout(self) -> None:
        self._http2.keepalive_timeout.inc()
        self._connection.downstream.give_up("http2_ping_timeout")

    # The end of streams and of the connection

    def end_stream(self, encoder: Http2Stream) -> None:
        """The exchange is over for us: close the stream, once what waits has gone out."""
        stream_id = encoder.stream_id
        if self._streams.pop(stream_id, None) is None:
            return
        self._ended += 1
        self._streams_active.value -= 1
        if self._waiting:
            self._waiting.discard(encoder)
        stream = encoder.stream
        del encoder.stream  # each knows the other: a circle that only the garbage collector would open
        if encoder.local_ended:
            encoder.ended_at = stream.end_at
            self._lingering[stream_id] = encoder
        elif stream_id not in self._resets and not self._closed:
            if stream.response_started:
                self._write_out()  # a reset drops what waits
            self._reset(stream_id, encoder.reset_code)

    def shutdown_notice(self) -> None:
        """As in Envoy, the notice is not counted; the GOAWAY that follows it is."""
        self.session.shutdown_notice()
        self.enlist()

    def goaway(self) -> None:
        self._http2.goaway_sent.inc()
        self.session.goaway()
        self.enlist()

    def __repr__(self) -> str:
        return f"<Http2Codec streams={len(self._streams)} lingering={len(self._lingering)}{' closed' if self._closed else ''}>"


_STREAM_CLOSED: Final = h2_session.StreamClosed

_HANDLERS: Final[dict[type[Any], Callable[[Http2Codec, Any], None]]] = {
    h2_session.RequestReceived: Http2Codec._on_request,  # its own methods
    h2_session.DataReceived: Http2Codec._on_body,
    h2_session.TrailersReceived: Http2Codec._on_trailers,
    h2_session.StreamReset: Http2Codec._on_reset,
    h2_session.StreamClosed: Http2Codec._on_stream_closed,
    h2_session.WindowUpdated: Http2Codec._on_window,
    h2_session.PingAcknowledged: Http2Codec._on_pong,
    h2_session.GoAwayReceived: Http2Codec._on_goaway,
    h2_session.ConnectionClosed: Http2Codec._on_ended,
}
