"""Access logs that are written at other moments than a stream's end.

Here: when a request's route is known, again and again while the stream lives, when a tunnel is open.  Not here: the end (http.stream_response).
A connection manager that is not configured so knows nothing of this.
Envoy: HttpConnectionManager.HcmAccessLogOptions; `%ACCESS_LOG_TYPE%`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from dataplane.api.http_filter import BoundTerminalFilter, HttpStream, TerminalFilter
    from dataplane.base.deadlines import Deadline, DeadlineWheel
    from dataplane.http.config import AccessLogOptions
    from dataplane.http.stream import Stream
    from dataplane.semantics.header_map import RequestHeaders

START: Final = "DownstreamStart"
PERIODIC: Final = "DownstreamPeriodic"
TUNNEL: Final = "DownstreamTunnelSuccessfullyEstablished"


def logging_terminal(inner: BoundTerminalFilter, options: AccessLogOptions, deadlines: DeadlineWheel) -> BoundTerminalFilter:
    """*inner*, which is asked for a stream as soon as the request's route is known."""
    return _LoggingTerminal(inner, options, deadlines) if options.on_new_request or options.interval else inner


class _LoggingTerminal:
    """Implements api.http_filter.BoundTerminalFilter."""

    def __init__(self, inner: BoundTerminalFilter, options: AccessLogOptions, deadlines: DeadlineWheel) -> None:
        self._inner = inner
        self._options = options
        self._deadlines = deadlines

    def new_stream(self, stream: HttpStream) -> TerminalFilter:
        if self._options.on_new_request:
            cast("Stream", stream).log_now(START)  # nobody else comes here
        made = self._inner.new_stream(stream)
        return (
            _PeriodicLog(cast("Stream", stream), made, self._deadlines, self._options.interval)
            if self._options.interval
            else made
        )


class _PeriodicLog:
    """Implements api.http_filter.TerminalFilter: stands before the one that does the work, to know when the stream ends."""

    def __init__(self, stream: Stream, inner: TerminalFilter, deadlines: DeadlineWheel, interval: float) -> None:
        self._stream = stream
        self._inner = inner
        self._deadlines = deadlines
        self._interval = interval
        self._deadline: Deadline = deadlines.arm(interval, self._log)
        self.decode_data = inner.decode_data
        self.decode_trailers = inner.decode_trailers
        self.on_downstream_blocked = inner.on_downstream_blocked
        self.on_downstream_ready = inner.on_downstream_ready

    def decode_headers(self, headers: RequestHeaders, end_stream: bool) -> None:
        self._inner.decode_headers(headers, end_stream)

    def on_destroy(self) -> None:
        self._deadline.cancel()
        self._inner.on_destroy()

    def _log(self) -> None:
        self._deadline = self._deadlines.arm(self._interval, self._log)
        self._stream.log_now(PERIODIC)
