"""One HTTP/1.1 connection to a host: requests out, responses in, one exchange at a time, no task and no future.

Here: bytes.  Not here: who gets the connection next (pool_h1), how heads and chunks are read (semantics).
A connection is the `RequestEncoder` of the exchange it carries, which saves an object per request.  The order that must hold when a
response ends: first the connection is put back (or closed), then the receiver hears of the end, as the last thing that happens; so the
receiver may start its next request from within the call and get this very connection.
Envoy: Http1::ClientConnectionImpl, CodecClient.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from dataplane.api.upstream import PoolFailure, StreamReset
from dataplane.base.address import Address, address_of
from dataplane.base.errors import ProtocolError
from dataplane.base.reading_turns import LARGE_READ
from dataplane.semantics.framing import CHUNKED, NOT_GIVEN, ChunkedDecoder
from dataplane.semantics.h1_head import find_head_end
from dataplane.semantics.header_map import HeaderMap
from dataplane.upstream.h1_writer import (
    CHUNKS,
    CLOSED,
    CONNECT,
    CONNECTING,
    COUNTED,
    HEAD,
    IDLE,
    UNTIL_CLOSE,
    H1Writer,
)

if TYPE_CHECKING:
    from dataplane.api.upstream import ResponseReceiver
    from dataplane.base.deadlines import Deadline
    from dataplane.base.write_queue import WriteQueue
    from dataplane.observe.tls_facts import TlsFacts
    from dataplane.semantics.header_map import ResponseHeaders
    from dataplane.upstream.connector import Dial
    from dataplane.upstream.pool_h1 import H1Pool

_PROTOCOL_ERROR: Final = StreamReset.PROTOCOL_ERROR
_CONNECTION_TERMINATION: Final = StreamReset.CONNECTION_TERMINATION

_H: Final = ord("H")


class H1Connection(H1Writer):
    """Implements api.upstream.RequestEncoder and UpstreamConnectionInfo."""

    __slots__ = (
        "_chunks",
        "_dial",
        "_head",
        "_left",
        "_paused",
        "_persists",
        "_pool",
        "_receiver",
        "_rx_bytes",
        "_write_blocked",
        "connected_at",
        "connection_id",
        "deadline",
        "idle_since",
        "local_address",
        "requests",
        "started_at",
        "tls",
    )

    protocol = "HTTP/1.1"
    deadline: Deadline | None  # of the connection's age, where that is limited

    def __init__(self, pool: H1Pool, connection_id: int, now: float) -> None:
        self._pool = pool
        self._rx_bytes = pool.stats.cx_rx_bytes_total
        self._tx_bytes = pool.stats.cx_tx_bytes_total
        self.connection_id = connection_id
        self.local_address: Address | None = None
        self.tls: TlsFacts | None = None
        self.started_at = now
        self.connected_at = 0.0
        self.idle_since = 0.0
        self.requests = 0
        self.deadline = None
        self._dial: Dial | None = None
        self._receiver: ResponseReceiver | None = None
        self._state = CONNECTING
        self._head = b""  # a head of which the end is still to come
        self._left = 0
        self._paused = 0
        self._write_blocked = False
        self._out = b""  # written at the end of this pass of the loop
        self._writes = pool.writes
        self._chunks: ChunkedDecoder | None = None
        self._options = pool.http1

    # ---- connecting

    def dial(self) -> None:
        self._dial = self._pool.connector.connect(self._pool.host.address, self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvloop's is none by inheritance
        if self._state == CLOSED:  # the loop heard too late, and such a transport keeps us for ever: we do not keep it
            transport.abort()
            return
        self.transport = transport
        self.write = transport.write
        self._state = IDLE
        if self._dial is not None:
            self._dial.connected()
            self._dial = None
        self._pool.connector.tune(transport)
        self.tls = getattr(transport, "facts", None)
        self.local_address = address_of(transport.get_extra_info("sockname"))
        self._pool.on_connected(self)

    def connect_failed(self, reason: PoolFailure, details: str) -> None:
        if self._state == CONNECTING:
            self._state = CLOSED
            self._dial = None
            self._pool.on_connect_failed(self, reason, details)

    @property
    def is_usable(self) -> bool:
        """False once the transport began to close, even when nobody told us yet."""
        return self._state == IDLE and not self.transport.is_closing()

    # ---- the request

    def start(self, receiver: ResponseReceiver) -> None:
        """Begin an exchange.  The pool calls this, then `receiver.on_pool_ready`."""
        self._receiver = receiver
        self._state = HEAD
        self._request_done = False
        self._chunked_request = False
        self._no_body = False
        self._tunnel = 0
        self.requests += 1

    def reset(self) -> None:
        if self._receiver is not None:
            self._receiver = None
            self._pool.on_stream_ended()
            self._close(with_active_request=True)

    def pause_reading(self) -> None:
        self._paused += 1
        if self._paused == 1 and self._state != CLOSED:
            self._pool.stats.flow_control_paused_reading_total.value += 1
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._paused:
            return  # counted for an exchange that is over
        self._paused -= 1
        if not self._paused and self._state != CLOSED:
            self._pool.stats.flow_control_resumed_reading_total.value += 1
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        self._write_blocked = True
        self._pool.stats.flow_control_backed_up_total.value += 1
        if self._receiver is not None:
            self._receiver.on_write_blocked()

    def resume_writing(self) -> None:
        self._write_blocked = False
        self._pool.stats.flow_control_drained_total.value += 1
        if self._receiver is not None:
            self._receiver.on_write_ready()

    # ---- the response

    def data_received(self, data: bytes) -> None:
        size = len(data)
        self._rx_bytes.value += size
        state = self._state
        if state == HEAD:
            known = None if self._head else self._pool.heads.parse_known(data)
            if known is None:
                self._on_head_bytes(data)
            else:
                headers, length, self._persists, end = known
                self._on_final_head(headers, length, data[end:])
        elif state == COUNTED:
            self._on_counted(data)
        elif state == CHUNKS:
            self._on_chunks(data)
        elif state == UNTIL_CLOSE:
            receiver = self._receiver
            assert receiver is not None
            receiver.on_data(data, False)
        elif state == IDLE:  # nobody asked
            self._pool.stats.cx_protocol_error.value += 1
            self._close(with_active_request=False)
        if size >= LARGE_READ and self._writes is not None:
            self._end_turn(self._writes)

    def _end_turn(self, writes: WriteQueue) -> None:
        if self._state != CLOSED and not self._paused:
            self.transport.pause_reading()
            writes.call_soon(self._begin_turn)

    def _begin_turn(self) -> None:
        if self._state != CLOSED and not self._paused:
            self.transport.resume_reading()

    def _on_head_bytes(self, data: bytes) -> None:
        """Read heads until the final one is complete, and hand on what follows it."""
        seen = len(self._head)
        if seen:
            data = self._head + data
            self._head = b""
        start = 0
        looked_at = seen - 3 if seen > 3 else 0
        while True:
            if data[start] != _H:
                self._on_broken(ProtocolError(502, "http1.codec_error"))
                return
            end = find_head_end(data, looked_at)
            if end < 0:
                if len(data) - start > self._pool.max_head_bytes:
                    self._on_broken(ProtocolError(502, "http1.headers_too_large"))
                else:
                    self._head = data[start:]
                return
            try:
                headers, length, self._persists, _ = self._pool.heads.parse(data[start:end])
            except ProtocolError as error:
                self._on_broken(error)
                return
            if headers.status >= 200 or headers.status == 101:
                self._on_final_head(headers, length, data[end:])
                return
            receiver = self._receiver
            assert receiver is not None
            receiver.on_informational(headers)
            if self._receiver is not receiver or end == len(data):
                return
            start = looked_at = end  # what is behind it stays where it is: to cut it off costs as much as there is

    def _on_final_head(self, headers: ResponseHeaders, length: int, body: bytes) -> None:
        receiver = self._receiver
        assert receiver is not None
        status = headers.status
        if not self._persists:
            self._pool.stats.cx_close_notify.value += 1
        if self._tunnel and (status == 101 or 200 <= status < 300):
            self._on_open_ended(receiver, headers, body)
        elif self._no_body or length == 0 or status == 204 or status == 304:
            self._end_exchange(bool(body))
            receiver.on_headers(headers, True)
        elif length == NOT_GIVEN:
            self._on_open_ended(receiver, headers, body)
        elif length == len(body):
            if receiver.takes_whole(headers):
                self._end_exchange(False)
                receiver.on_whole(headers, body)
                return
            # All of it is here.  The receiver may reset the exchange while it looks at the head.
            self._state = COUNTED
            receiver.on_headers(headers, False)
            if self._receiver is receiver:
                self._end_exchange(False)
                receiver.on_data(body, True)
        else:
            self._begin_body(length)
            receiver.on_headers(headers, False)
            if body and self._receiver is receiver:
                if length == CHUNKED:
                    self._on_chunks(body)
                else:
                    self._on_counted(body)

    def _begin_body(self, length: int) -> None:
        if length == CHUNKED:
            self._state = CHUNKS
            self._chunks = ChunkedDecoder(self._pool.fields, self._pool.max_head_bytes)
        else:
            self._state = COUNTED
            self._left = length

    def _on_open_ended(self, receiver: ResponseReceiver, headers: ResponseHeaders, body: bytes) -> None:
        """A tunnel, or a body that ends with the connection.  A 101 that nobody asked for is an answer without a body."""
        self._persists = False
        if headers.status == 101 and not self._tunnel:
            self._end_exchange(False)
            receiver.on_headers(headers, True)
            return
        self._state = UNTIL_CLOSE
        receiver.on_headers(headers, False)
        if body and self._receiver is receiver:
            receiver.on_data(body, False)

    def _on_counted(self, data: bytes) -> None:
        receiver = self._receiver
        assert receiver is not None
        left = self._left
        size = len(data)
        if size < left:
            self._left = left - size
            receiver.on_data(data, False)
            return
        self._end_exchange(size > left)
        receiver.on_data(data if size == left else data[:left], True)

    def _on_chunks(self, data: bytes) -> None:
        receiver = self._receiver
        chunks = self._chunks
        assert receiver is not None
        assert chunks is not None
        try:
            pieces = chunks.feed(data)
        except ProtocolError as error:
            self._on_broken(error)
            return
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if chunks.done:
            self._chunks = None
            if chunks.trailers and self._options is not None and self._options.enable_trailers:
                self._on_trailers(receiver, body, chunks)
                return
            self._end_exchange(bool(chunks.rest))
            receiver.on_data(body, True)
            return
        if body:
            receiver.on_data(body, False)
        if chunks.error is not None and self._receiver is receiver:
            self._on_broken(chunks.error)

    def _on_trailers(self, receiver: ResponseReceiver, body: bytes, chunks: ChunkedDecoder) -> None:
        if body:
            receiver.on_data(body, False)
        if self._receiver is receiver:
            self._end_exchange(bool(chunks.rest))
            receiver.on_trailers(HeaderMap(chunks.trailers))

    # ---- ends

    def _end_exchange(self, surplus: bool) -> None:
        """The response is complete: put the connection back, or close it.  surplus: bytes follow that nobody asked for."""
        self._receiver = None
        if self._paused:
            self._paused = 0
            self.transport.resume_reading()
        if surplus:
            self._pool.stats.cx_protocol_error.value += 1
        elif self._persists and self._request_done and not self._write_blocked:
            self._state = IDLE
            self._pool.on_exchange_done(self)
            return
        self._pool.on_stream_ended()
        self._close(with_active_request=False)

    def _on_broken(self, error: ProtocolError) -> None:
        receiver = self._receiver
        assert receiver is not None
        self._receiver = None
        self._pool.stats.cx_protocol_error.value += 1
        self._pool.on_stream_ended()
        self._close(with_active_request=True)
        receiver.on_reset(_PROTOCOL_ERROR, error.details)

    def eof_received(self) -> bool:
        """The peer's FIN ends the connection: nothing more can be asked on it."""
        self._on_peer_closed()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_peer_closed()

    def _on_peer_closed(self) -> None:
        state, receiver = self._state, self._receiver
        if state == CLOSED:
            return
        self._receiver = None
        until_close = state == UNTIL_CLOSE
        half_read = bool(self._head) or state in (COUNTED, CHUNKS)
        if half_read:
            self._pool.stats.cx_protocol_error.value += 1
        self._state = CLOSED
        if receiver is not None:
            self._pool.on_stream_ended()
        self._pool.on_closed(self, local=False, with_active_request=receiver is not None and not until_close)
        self.transport.close()
        if receiver is None:
            return
        if until_close and (not self._tunnel or (self._tunnel == CONNECT and self._request_done)):
            receiver.on_data(b"", True)
        elif half_read:
            receiver.on_reset(_PROTOCOL_ERROR, "http1.codec_error")
        else:
            receiver.on_reset(_CONNECTION_TERMINATION, "")

    def close(self) -> None:
        """Close an idle or connecting connection."""
        assert self._receiver is None
        self._close(with_active_request=False)

    def abort(self) -> None:
        """Break off whatever is under way; a receiver hears nothing more."""
        if self._receiver is None:
            self._close(with_active_request=False)
        else:
            self.reset()

    def _close(self, with_active_request: bool) -> None:
        if self._state == CLOSED:
            return
        connecting = self._state == CONNECTING
        self._state = CLOSED
        self._pool.on_closed(self, local=True, with_active_request=with_active_request)
        if not connecting:
            self.transport.abort()
        elif self._dial is not None:
            self._dial.cancel()
            self._dial = None

    def __repr__(self) -> str:
        names = ("connecting", "idle", "head", "counted", "chunks", "until close", "closed")
        return f"<{type(self).__name__} C{self.connection_id} {self._pool.host.address} {names[self._state]} requests={self.requests}>"
