"""The streams of one HTTP/2 connection to a host, and what the host says of them.

Here: frames to streams and back, what each kind of end means.  Not here: the life of the connection (h2_connection), the protocol
(semantics.h2_session), one request (h2_stream).
The order that must hold when a response ends: first the pool hears that the stream is free, then the receiver hears of the end, as the
last thing that happens.
Envoy: Http2::ClientConnectionImpl.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from dataplane.api.upstream import StreamReset
from dataplane.base.reading_turns import A_TURN, LARGE_READ
from dataplane.semantics import h2_session
from dataplane.semantics.h2_floods import PeerFrames, flood_of
from dataplane.semantics.h2_headers import header_bytes, response_headers
from dataplane.semantics.h2_session import H2Session
from dataplane.semantics.header_map import HeaderMap
from dataplane.upstream.h2_resets import count_reset, reason_of
from dataplane.upstream.h2_stream import H2ClientStream
from dataplane.upstream.h2_writer import OPEN, H2Writer

if TYPE_CHECKING:
    from dataplane.api.upstream import ResponseReceiver
    from dataplane.upstream.pool_h2 import H2Pool

_PROTOCOL_ERROR: Final = StreamReset.PROTOCOL_ERROR


class H2Reader(H2Writer):
    """The reading half of a connection.

    active: streams under way.  requests: how many there ever were.  going_away: no stream after them.
    """

    __slots__ = (
        "_http2",
        "_resets",
        "_streams_active",
        "active",
        "frames",
        "going_away",
        "requests",
    )

    def __init__(self, pool: H2Pool) -> None:
        limits = {"max_header_bytes": pool.max_head_bytes, "max_header_count": pool.http2.max_headers_count}
        super().__init__(pool, H2Session(pool.http2.options, client=True, **limits))
        self._http2 = pool.http2.stats()
        self._streams_active = self._http2.streams_active
        self.requests = 0
        self.frames = PeerFrames(pool.http2.options)
        self.active = 0
        self.going_away = False
        self._resets: set[int] = set()  # streams that we reset, or the host, until the session has said so

    def _break_off(self, reason: StreamReset, local: bool) -> None:
        """The connection ends under its streams, if there are any."""
        raise NotImplementedError

    def _on_connection_event(self, event: Any) -> None:
        """What the host says of no stream."""
        raise NotImplementedError

    def _tell_stream_over(self) -> None:
        """The pool hears that a stream is over, well or not, and that its connection lives on."""
        raise NotImplementedError

    # ---- streams

    def start(self, receiver: ResponseReceiver) -> H2ClientStream:
        """Begin an exchange.  The pool calls this, then `receiver.on_pool_ready`."""
        self.active += 1
        self.requests += 1
        self._streams_active.value += 1
        return H2ClientStream(self, receiver)

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
        self._tell_stream_over()
        return receiver

    def on_given_up(self, stream: H2ClientStream) -> None:
        """Our side resets the stream."""
        self._take_out(stream)
        if self._state != OPEN:
            self._pool.on_stream_ended()
            return
        if stream.stream_id and stream.stream_id not in self._resets:
            self._give_up(stream)
        self._tell_stream_over()

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
        self._tell_stream_over()
        receiver.on_reset(reason, "")

    def _reset(self, stream_id: int, code: int) -> None:
        self._http2.tx_reset.inc()
        self._resets.add(stream_id)
        self.session.reset_stream(stream_id, code)
        self.enlist()

    # ---- from the host

    def data_received(self, data: bytes) -> None:
        self.stats.cx_rx_bytes_total.value += len(data)
        events = self.session.receive(data)
        if self._events:
            self._events += events
            return
        self._take(events)
        if len(data) >= LARGE_READ and self._state == OPEN and not self._events:
            self._end_turn()

    def _take(self, events: list[Any]) -> None:
        """What a read brought: as much of it at once as others can wait for."""
        if len(events) > A_TURN:
            self._events = events[A_TURN:]
            del events[A_TURN:]
            self._end_turn()
        self._handle(events)
        if self._state != OPEN:
            return
        if self.session.error and not self._events:
            self._on_flood(flood_of(self.session.error))
        elif self.session.wants_write:
            self.enlist()

    def _end_turn(self) -> None:
        """Others read first (base.reading_turns)."""
        self.transport.pause_reading()
        self._pool.http2.writes.call_soon(self._begin_turn)

    def _begin_turn(self) -> None:
        if self._events and self._state == OPEN:
            events, self._events = self._events, []
            try:
                self._take(events)
            except Exception:
                self.transport.abort()  # as the loop does where a mistake of ours ends a read, and logs it
                raise
        if self._state == OPEN and not self._events:
            self.transport.resume_reading()

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
                handler = _HANDLERS.get(kind)
                if handler is not None:
                    handler(self, event)
                else:
                    self._on_connection_event(event)
            if self._state != OPEN:
                return
        if heads:
            self._on_responses(heads)

    def _on_responses(self, heads: dict[int, h2_session.ResponseReceived]) -> None:
        """Heads that have waited long enough."""
        while heads and self._state == OPEN:
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
        elif event.stream_id in self._resets:  # the host was faster than ours, which stays unsaid
            self._http2.rx_reset.inc()

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


_RESPONSE: Final = h2_session.ResponseReceived
_DATA: Final = h2_session.DataReceived
_STREAM_CLOSED: Final = h2_session.StreamClosed

_HANDLERS: Final[dict[type[Any], Callable[[H2Reader, Any], None]]] = {
    h2_session.ResponseReceived: H2Reader._on_response,
    h2_session.TrailersReceived: H2Reader._on_trailers,
    h2_session.InformationalResponseReceived: H2Reader._on_informational,
    h2_session.StreamReset: H2Reader._on_reset,
    h2_session.StreamClosed: H2Reader._on_stream_closed,
}
