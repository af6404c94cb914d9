"""A connection that carries HTTP and whose listener has an access log of its own: what that log tells of it is kept here.

Bytes are counted as HTTP sees them, heads included.  Connections that nobody logs know nothing of this.
Envoy: Listener.access_log; StreamInfo of the connection, HttpConnectionManager's part in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dataplane.http.connection_manager import HttpConnection
from dataplane.observe import flags

if TYPE_CHECKING:
    from dataplane.api.network_filter import DownstreamConnection
    from dataplane.base.errors import ProtocolError
    from dataplane.http.manager import BoundManager
    from dataplane.http.stream import Stream
    from dataplane.http.stream_state import StreamState

_CLOSED: Final = "deferred_close_on_drained_connection"
_DELAY_OVER: Final = "triggered_delayed_close_timeout"


class LoggedHttpConnection(HttpConnection):
    """See the module."""

    def __init__(self, manager: BoundManager, downstream: DownstreamConnection) -> None:
        self._write = downstream.write
        downstream.write = self._write_counted  # type: ignore[method-assign]  # before the codec takes it
        super().__init__(manager, downstream)
        self._take = self.on_data
        self.on_data = self._on_counted_data

    def _on_counted_data(self, data: bytes) -> None:
        self.info.bytes_received += len(data)
        self._take(data)
        if self._take == self._on_first_data:
            self._take, self.on_data = self.codec.on_data, self._on_counted_data

    def _write_counted(self, data: bytes) -> None:
        self.info.bytes_sent += len(data)
        self._write(data)

    def on_close(self, error: str) -> None:
        super().on_close(error)
        self._take = self.on_data
        self.downstream.write = self._write  # type: ignore[method-assign]  # each held the other

    def end_stream(self, stream: StreamState, delay_close: bool) -> None:
        if stream.request_headers is not None:
            self.info.protocol = stream.protocol
        super().end_stream(stream, delay_close)

    def on_protocol_error(self, stream: Stream, error: ProtocolError) -> None:
        if self._h2 is None:  # over HTTP/2 it is that stream's alone
            self.info.response_flags |= flags.DOWNSTREAM_PROTOCOL_ERROR
        super().on_protocol_error(stream, error)

    def on_codec_error(self, details: str) -> None:
        self.info.response_flags |= flags.DOWNSTREAM_PROTOCOL_ERROR
        super().on_codec_error(details)

    def _close(self, delay: bool) -> None:
        if self._ended_by_peer:
            self.info.local_close_reason = _CLOSED
        super()._close(delay)

    def _on_delayed_close_timeout(self) -> None:
        self.info.local_close_reason = _DELAY_OVER
        super()._on_delayed_close_timeout()
