"""HTTP/1.1 towards downstream: one connection's bytes to streams, and their responses to bytes.

Here: message boundaries, pipelining, framing of responses, what each protocol error is answered with.
Not here: heads (semantics.h1_head) and chunked bodies (semantics.framing), streams (http.stream), closing (http.connection_manager).
Rules that must hold: the next request is read only when the exchange before it has ended in both directions; what a client sends
meanwhile is kept up to a limit, then reading pauses.  Any split of the input gives the same events.  One read may hold thousands of
requests or chunks: those that would keep other connections waiting wait themselves, for the next pass of the loop.
Spec: RFC 9112.  Tried case by case against Envoy.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from dataplane.base.errors import ProtocolError
from dataplane.base.reading_turns import CHUNKS_A_TURN, REQUESTS_A_TURN
from dataplane.http.codec.h1_response import ResponseWriter
from dataplane.semantics.framing import CHUNKED, ChunkedDecoder
from dataplane.semantics.h1_head import HTTP_10, HTTP_11, find_head_end
from dataplane.semantics.header_map import HeaderMap

if TYPE_CHECKING:
    from dataplane.http.connection_manager import HttpConnection
    from dataplane.http.stream import Stream
    from dataplane.semantics.h1_head import RequestHead
    from dataplane.semantics.header_map import RequestHeaders

# Where in an exchange the reading side is.
_HEAD: Final = 0  # the next bytes are a head
_LENGTH: Final = 1  # inside a body of known length
_CHUNKED: Final = 2  # inside a chunked body
_WAIT: Final = 3  # the request is complete, its response is not
_CLOSED: Final = 4  # whatever comes is not looked at
_TUNNEL: Final = 5  # no HTTP any more
_TURN: Final = 6  # what has come goes on in the next pass of the loop

# As much as a client may send ahead while a response is under way.
_MAX_AHEAD: Final = 64 * 1024
_LINE_ENDS: Final = b"\r\n"
_BLANK: Final = 32
# Mistakes that are seen when the version is known.
_OF_READ_HEADS: Final = frozenset(
    {"http1.content_length_and_chunked_not_allowed", "http1.invalid_transfer_encoding", "http1.body_disallowed"}
)


class Http1Codec(ResponseWriter):
    """Implements http.codec.interface.Codec, and StreamEncoder for its one stream."""

    __slots__ = (
        "_begun",
        "_connection",
        "_decoder",
        "_left",
        "_line_checked",
        "_paused",
        "_reading",
        "_state",
        "_stream",
        "_suspended",
        "ahead",
    )

    def __init__(self, connection: HttpConnection) -> None:
        super().__init__(connection.downstream.write, connection.manager)
        self._connection = connection
        self._state = _HEAD
        self._stream: Stream | None = None
        self._line_checked = False
        self._begun = b""  # a head of which the end is still to come
        self.ahead = b""  # bytes of later requests, or of the next turn
        self._suspended = _HEAD  # where reading goes on in the next turn
        self._left = 0  # bytes of a body of known length still to come
        self._decoder: ChunkedDecoder | None = None
        self._reading = False  # true inside `_read`: an exchange that ends there is followed by its loop
        self._paused = 0

    def open_streams(self) -> Iterable[Stream]:
        return () if self._stream is None else (self._stream,)

    @property
    def is_idle(self) -> bool:
        return self._stream is None and self._state != _TURN

    def on_data(self, data: bytes) -> None:
        self._manager.stats.cx_rx_bytes_total.value += len(data)
        if self._state == _HEAD and not self._begun and (head := self._manager.parse_known_head(data)) is not None:
            self._reading = True
            self._begin(head, len(data))
            self._reading = False
        elif self._state == _WAIT:
            self._keep_for_later(data)
        elif self._state == _TUNNEL:
            if self._stream is not None:
                self._stream.decode_data(data, False)
        elif self._state == _TURN:
            self.ahead += data
        elif self._state != _CLOSED:
            self._read(data)

    def _read(self, data: bytes) -> None:
        """Everything that can be read now and that nobody has to wait for."""
        self._reading = True
        left = REQUESTS_A_TURN
        while data:
            if self._state == _HEAD and not left:
                self._wait_turn(data)
                break
            if self._state == _HEAD:
                left -= 1
                data = self._read_head(data)
            elif self._state == _LENGTH:
                data = self._read_length(data)
            elif self._state == _CHUNKED:
                data = self._read_chunked(data)
            else:
                if self._state == _WAIT:
                    self._keep_for_later(data)
                break
        self._reading = False

    def _wait_turn(self, data: bytes) -> None:
        self._suspended = self._state
        self._state = _TURN
        self.ahead = data
        self._connection.downstream.pause_reading()
        self._manager.writes.call_soon(self._begin_turn)

    def _begin_turn(self) -> None:
        if not self._paused:
            self._connection.downstream.resume_reading()
        if self._state != _TURN:
            return  # the request was given up meanwhile
        data, self.ahead = self.ahead, b""
        self._state = self._suspended
        try:
            self._read(data)
        except Exception:
            self._connection.downstream.reset()  # a mistake of ours, which the loop logs
            raise

    # Requests

    def _read_head(self, data: bytes) -> bytes:
        """Take one head off *data*, or keep what there is of it.  Returns what is behind it."""
        looked_at = 0
        if self._begun:
            looked_at = max(0, len(self._begun) - 3)
            data = self._begun + data
            self._begun = b""
        elif data[0] in _LINE_ENDS:
            data = data.lstrip(_LINE_ENDS)
            if not data:
                self._begin_unread()
                return data
        end = find_head_end(data, looked_at)
        if end < 0:
            self._keep_begun_head(data)
            return b""
        try:
            head = self._manager.parse_head(data if end == len(data) else data[:end])
        except ProtocolError as error:
            self._begin_unread()  # as Envoy, the log does not know the version that the answer has
            self.begin_response(HTTP_10 if self._is_answered_as_old(data, error) else HTTP_11, b"")
            self._refuse(error)
            return b""
        self._begin(head, end)
        return data[end:]

    def _is_answered_as_old(self, head: bytes, error: ProtocolError) -> bool:
        if not self._manager.config.http1.accept_http_10 or error.details not in _OF_READ_HEADS:
            return False
        return head.partition(b"\n")[0].rstrip().endswith(b" HTTP/1.0")

    def _keep_begun_head(self, data: bytes) -> None:
        self._begin_unread()
        try:
            if len(data) > self._manager.max_head_bytes:
                raise ProtocolError(431, "http1.headers_too_large")
            if not self._line_checked:
                self._line_checked = self._check_first_line(data)
        except ProtocolError as error:
            self._refuse(error)
        else:
            self._begun = data

    def _begin_unread(self) -> None:
        """A stream exists from the first byte on, were it a line's end: its timeouts run, and the log tells of it."""
        if self._stream is None:
            self._stream = self._connection.begin_stream(self, self._manager.clock())
            self._line_checked = False

    def _check_first_line(self, data: bytes) -> bool:
        """Refuse what cannot become a request without waiting for the rest.  Returns whether the line is complete."""
        if data[0] <= _BLANK:  # as Envoy: TLS on a clear port is not waited for
            raise ProtocolError(400, "http1.codec_error")
        line, end, _ = data.partition(b"\n")
        if end:
            self._manager.parse_head(line.rstrip(b"\r") + b"\r\n\r\n")
        return bool(end)

    def _begin(self, head: RequestHead, size: int) -> None:
        headers, length, keep_alive, version, has_host = head
        stream = self._stream
        if stream is None:
            stream = self._stream = self._connection.begin_stream(self, self._manager.clock())
        stream.request_headers_bytes = size
        if version is not HTTP_11:
            if not self._manager.config.http1.accept_http_10:
                self._refuse(ProtocolError(426, "low_version"))
                return
            default_host = self._manager.config.http1.default_host_for_http_10
            if default_host and not has_host:
                headers.authority, has_host = default_host, True
        stream.protocol = version
        stream.close_after = not keep_alive
        self.begin_response(version, headers.method)
        if headers.method == b"CONNECT":
            self._begin_connect(headers, length, has_host, stream)
        elif length <= 0 and length != CHUNKED:
            self._state = _WAIT
            stream.decode_headers(headers, True, has_host)
        else:
            self._expect_body(length)
            stream.decode_headers(headers, False, has_host)

    def _begin_connect(self, headers: RequestHeaders, length: int, has_host: bool, stream: Stream) -> None:
        """What follows such a head is no body, so that a length or a coding would be a lie."""
        if length == CHUNKED:
            self._refuse(ProtocolError(501, "http1.invalid_transfer_encoding"))
        elif length > 0:
            self._refuse(ProtocolError(400, "http1.body_disallowed"))
        else:
            headers.remove(b"content-length")
            self._state = _WAIT
            stream.wants_upgrade = True
            stream.decode_headers(headers, False, has_host)

    def _expect_body(self, length: int) -> None:
        if length == CHUNKED:
            self._state = _CHUNKED
            self._decoder = ChunkedDecoder(self._manager.trailer_fields, self._manager.max_head_bytes, CHUNKS_A_TURN)
        else:
            self._state = _LENGTH
            self._left = length

    def _read_length(self, data: bytes) -> bytes:
        piece = data[: self._left] if len(data) > self._left else data
        self._left -= len(piece)
        stream = self._stream
        assert stream is not None
        if self._left:
            stream.decode_data(piece, False)
            return b""
        self._state = _WAIT
        stream.decode_data(piece, True)
        return data[len(piece) :]

    def _read_chunked(self, data: bytes) -> bytes:
        decoder, stream = self._decoder, self._stream
        assert decoder is not None
        assert stream is not None
        try:
            pieces = decoder.feed(data)
        except ProtocolError as error:
            self._refuse(error)
            return b""
        piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)  # as Envoy: one piece per read
        if not decoder.done:
            if piece:
                stream.decode_data(piece, False)
            if decoder.error is not None and self._stream is stream:
                self._refuse(decoder.error)
            elif decoder.rest and self._state == _CHUNKED:
                data, decoder.rest = decoder.rest, b""
                self._wait_turn(data)
            return b""
        self._decoder = None
        self._state = _WAIT
        if decoder.trailers and self._manager.config.http1.enable_trailers:
            if piece:
                stream.decode_data(piece, False)
            stream.decode_trailers(HeaderMap(decoder.trailers))
        else:
            stream.decode_data(piece, True)
        return decoder.rest

    def _refuse(self, error: ProtocolError) -> None:
        """The bytes are not HTTP as we accept it: answer if that is still possible, and close."""
        self._connection.on_protocol_error(self.abandon(), error)

    def abandon(self) -> Stream:
        """Read nothing more.  Returns the stream under way, a new one where there is none."""
        if self._stream is None:
            self._stream = self._connection.begin_stream(self, self._manager.clock())
        self._state = _CLOSED
        return self._stream

    # Between exchanges

    def end_stream(self) -> None:
        """Both directions are done, or given up.  Go on with what was sent ahead, unless the connection ends here."""
        complete = self._state == _WAIT
        self._stream = None
        self._decoder = None
        if not complete or self._connection.closing:
            self._state = _CLOSED
            self.ahead = b""
            return
        self._state = _HEAD
        if self._paused:
            self._resume_all()
        if not self._reading and self.ahead:
            data, self.ahead = self.ahead, b""
            self._read(data)

    def on_close(self) -> None:
        """What a client sent ahead goes with it."""
        super().on_close()
        self._state = _CLOSED
        self.ahead = b""

    def await_tunnel(self) -> None:
        """An upgrade was asked for: what comes is kept until it is granted."""
        self._state = _WAIT

    def open_tunnel(self) -> None:
        """From here on bytes are passed on as they are, those that came early first."""
        self._state = _TUNNEL
        data, self.ahead = self.ahead, b""
        if self._paused:
            self._resume_all()
        if data and self._stream is not None:
            self._stream.bytes_received -= len(data)  # counted when it came
            self._stream.decode_data(data, False)

    def _keep_for_later(self, data: bytes) -> None:
        if self._stream is not None and self._stream.upgrading:
            self._stream.bytes_received += len(data)
        self.ahead += data
        if len(self.ahead) > _MAX_AHEAD and not self._paused:
            self.pause_reading()

    def pause_reading(self) -> None:
        self._paused += 1
        if self._paused == 1:
            self._manager.stats.flow_control_paused.inc()
            self._connection.downstream.pause_reading()

    def resume_reading(self) -> None:
        if self._paused:
            self._paused -= 1
            if not self._paused:
                self._manager.stats.flow_control_resumed.inc()
                self._connection.downstream.resume_reading()

    def _resume_all(self) -> None:
        self._paused = 1
        self.resume_reading()
