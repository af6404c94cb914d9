"""One request on an HTTP/2 connection to a host.

Here: encode calls to the session's, both windows of the stream.  Not here: the connection's frames (h2_reader).
Envoy: Http2::ConnectionImpl::ClientStreamImpl.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dataplane.api.upstream import StreamReset
from dataplane.semantics.h2_floods import DATA_FRAME
from dataplane.semantics.h2_headers import declares_length, request_fields
from dataplane.semantics.h2_session import SessionError

if TYPE_CHECKING:
    from dataplane.api.upstream import ResponseReceiver
    from dataplane.semantics.header_map import Field, HeaderMap, RequestHeaders
    from dataplane.upstream.h2_reader import H2Reader

_WITHOUT_BODY: Final = (b"204", b"304")


class H2ClientStream:
    """Implements api.upstream.RequestEncoder.

    receiver: None once nothing more may be told to it.  head: of the response, as it came, once a body is to follow.
    """

    __slots__ = (
        "_connection",
        "_is_head",
        "_paused",
        "blocks",
        "head",
        "receiver",
        "request_done",
        "stream_id",
        "unacknowledged",
    )

    def __init__(self, connection: H2Reader, receiver: ResponseReceiver) -> None:
        self._connection = connection
        self.receiver: ResponseReceiver | None = receiver
        self.stream_id = 0  # given with the head
        self.request_done = False
        self.head: tuple[Field, ...] = ()
        self._is_head = False
        self.blocks = 0
        self._paused = 0
        self.unacknowledged = 0

    # The request (api.upstream.RequestEncoder)

    def encode_headers(self, headers: RequestHeaders, end_stream: bool) -> None:
        connection = self._connection
        self.request_done = end_stream
        self._is_head = headers.method == b"HEAD"
        try:
            self.stream_id = connection.session.send_request(request_fields(headers), end_stream=end_stream)
        except SessionError:  # no stream numbers are left, or the host went away just now
            connection.fail(self, StreamReset.REMOTE_REFUSED_STREAM)
            return
        connection.streams[self.stream_id] = self
        connection.enlist()

    def encode_data(self, data: bytes, end_stream: bool) -> None:
        if self.receiver is None:
            return
        self.request_done = end_stream
        try:
            self._connection.session.send_data(self.stream_id, data, end_stream=end_stream)
        except SessionError:  # the host reset the stream; the event follows
            return
        self._connection.frames.data_frames += len(data) // DATA_FRAME + 1
        self._connection.on_data_queued(self)

    def encode_trailers(self, trailers: HeaderMap) -> None:
        if self.receiver is None:
            return
        self.request_done = True
        try:
            self._connection.session.send_trailers(self.stream_id, trailers.fields)
        except SessionError:
            return
        self._connection.enlist()

    def reset(self) -> None:
        if self.receiver is not None:
            self.receiver = None
            self._connection.on_given_up(self)

    @property
    def knows_length(self) -> bool:
        """Whether the head has told how long the response's body is, if only that there is none (RFC 9113 section 8.1.1)."""
        head = self.head
        return bool(head) and (self._is_head or head[0][1] in _WITHOUT_BODY or declares_length(head))

    # The response's pace

    def decode_data(self, data: bytes) -> None:
        receiver = self.receiver
        assert receiver is not None
        self.unacknowledged += len(data)
        receiver.on_data(data, False)
        if not self._paused:
            self.acknowledge()

    def pause_reading(self) -> None:
        self._paused += 1
        if self._paused == 1:
            self._connection.stats.flow_control_paused_reading_total.value += 1

    def resume_reading(self) -> None:
        if self._paused:
            self._paused -= 1
            if not self._paused:
                self._connection.stats.flow_control_resumed_reading_total.value += 1
                self.acknowledge()
                self._connection.enlist()

    def acknowledge(self) -> None:
        """The host may send as much again as was taken."""
        size, self.unacknowledged = self.unacknowledged, 0
        if size:
            self._connection.session.acknowledge(self.stream_id, size)

    # The request's pace

    def block(self) -> None:
        """The request waits, for the host's window or for the socket.  Calls are counted."""
        self.blocks += 1
        if self.blocks == 1 and self.receiver is not None:
            self._connection.stats.flow_control_backed_up_total.value += 1
            self.receiver.on_write_blocked()

    def unblock(self) -> None:
        if self.blocks:
            self.blocks -= 1
            if not self.blocks and self.receiver is not None:
                self._connection.stats.flow_control_drained_total.value += 1
                self.receiver.on_write_ready()

    def __repr__(self) -> str:
        state = "over" if self.receiver is None else "asked" if self.request_done else "asking"
        return f"<H2ClientStream {self.stream_id} {state}>"
