"""One HTTP/2 stream towards downstream: where its response goes, and how fast it may come.

Here: encode calls to the session's, both windows of the stream.  Not here: the connection's frames (http.codec.h2), what a stream is
(http.stream).  A response that grows in the session because the client's window is closed blocks the stream as a full socket would.
Envoy: Http2::ConnectionImpl::ServerStreamImpl.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dataplane.observe import flags
from dataplane.semantics.h2_headers import response_fields, tunnel_fields
from dataplane.semantics.h2_session import CONNECT_ERROR, INTERNAL_ERROR, SessionError

if TYPE_CHECKING:
    from dataplane.http.codec.h2 import Http2Codec
    from dataplane.http.stream import Stream
    from dataplane.semantics.header_map import Field, HeaderMap, ResponseHeaders

_UPSTREAM_GONE: Final = flags.UPSTREAM_CONNECTION_FAILURE | flags.UPSTREAM_CONNECTION_TERMINATION


class Http2Stream:
    """Implements http.codec.interface.StreamEncoder.

    The session is ahead of the events that we have seen: it may know already that the client reset the stream.  What is sent then goes
    nowhere, and the event follows.
    """

    __deletable__ = ("stream",)  # for the compiler
    __slots__ = (
        "_blocks",
        "_codec",
        "_is_tunnel",
        "_paused",
        "_session",
        "_unacknowledged",
        "ended_at",
        "head",
        "local_ended",
        "remote_ended",
        "reset_code",
        "stream",
        "stream_id",
    )

    protocol = "HTTP/2"
    closes_with_header: Final = False
    stream: Stream

    def __init__(self, codec: Http2Codec, stream_id: int, remote_ended: bool) -> None:
        self._codec = codec
        self._is_tunnel = False
        self._session = codec.session
        self.stream_id = stream_id
        self.remote_ended = remote_ended  # the request's last frame is here
        self.local_ended = False  # the response's last frame was given to the session
        self.reset_code = INTERNAL_ERROR  # what a stream says that ends before its response
        self.ended_at = 0.0
        self.head: tuple[Field, ...] = ()  # of the request, as it came, where a body is to follow
        self._blocks = 0
        self._paused = 0
        self._unacknowledged = 0

    def await_tunnel(self) -> None:
        """The stream itself is the tunnel; only what its response says differs."""
        self._is_tunnel = True

    def open_tunnel(self) -> None:
        """Who takes the request holds back what comes early."""

    @property
    def unacknowledged(self) -> int:
        """Bytes of the request that were read and not taken yet."""
        return self._unacknowledged

    # The response (http.codec.interface.StreamEncoder)

    def encode_informational(self, headers: ResponseHeaders) -> None:
        try:
            self._session.send_informational(self.stream_id, response_fields(headers))
        except SessionError:
            return
        self._codec.enlist()

    def encode_headers(self, headers: ResponseHeaders, end_stream: bool) -> None:
        self.local_ended = end_stream
        fields = tunnel_fields(headers) if self._is_tunnel and headers.status < 300 else response_fields(headers)
        try:
            self._session.send_response(self.stream_id, fields, end_stream=end_stream)
        except SessionError:
            return
        self._codec.enlist()

    def encode_data(self, data: bytes, end_stream: bool) -> None:
        self.local_ended = end_stream
        try:
            self._session.send_data(self.stream_id, data, end_stream=end_stream)
        except SessionError:
            return
        self._codec.on_data_queued(self, len(data))

    def encode_whole(self, headers: ResponseHeaders, body: bytes) -> None:
        self.local_ended = True
        session, stream_id = self._session, self.stream_id
        try:
            session.send_response(stream_id, response_fields(headers))
            session.send_data(stream_id, body, end_stream=True)
        except SessionError:
            return
        self._codec.on_data_queued(self, len(body))

    def encode_trailers(self, trailers: HeaderMap) -> None:
        self.local_ended = True
        try:
            self._session.send_trailers(self.stream_id, trailers.fields)
        except SessionError:
            return
        self._codec.enlist()

    def end_stream(self) -> None:
        if self._is_tunnel and self.stream.response_flags & _UPSTREAM_GONE:
            self.reset_code = CONNECT_ERROR
        if self._unacknowledged:
            self._acknowledge()
        self._codec.end_stream(self)

    # The request's pace

    def decode_data(self, data: bytes, end_stream: bool) -> None:
        self.remote_ended = end_stream
        self._unacknowledged += len(data)
        self.stream.decode_data(data, end_stream)
        if not self._paused and self._unacknowledged:
            self._acknowledge()

    def pause_reading(self) -> None:
        self._paused += 1
        if self._paused == 1:
            self._codec.stats.flow_control_paused.inc()

    def resume_reading(self) -> None:
        if self._paused:
            self._paused -= 1
            if not self._paused:
                self._codec.stats.flow_control_resumed.inc()
                self._acknowledge()
                self._codec.enlist()

    def _acknowledge(self) -> None:
        size, self._unacknowledged = self._unacknowledged, 0
        self._session.acknowledge(self.stream_id, size)

    # The response's pace

    def block(self) -> None:
        """The response waits, for the client's window or for the socket.  Calls are counted."""
        self._blocks += 1
        if self._blocks == 1:
            self.stream.on_downstream_blocked()

    def unblock(self) -> None:
        if self._blocks:
            self._blocks -= 1
            if not self._blocks:
                self.stream.on_downstream_ready()

    def __repr__(self) -> str:
        state = f"{'half-closed' if self.remote_ended else 'open'}{' blocked' if self._blocks else ''}{' paused' if self._paused else ''}"
        return f"<Http2Stream {self.stream_id} {state}>"
