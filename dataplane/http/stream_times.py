"""Deadlines of single streams that are off unless configured: request, request headers, stream duration.

Here: arming and firing them.  Not here: idle times, which nobody arms per stream (http.connection_manager), route timeouts (router).
Envoy: HttpConnectionManager.{request_timeout, request_headers_timeout}, HttpProtocolOptions.max_stream_duration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dataplane.base.deadlines import Deadline
    from dataplane.http.stream import Stream
    from dataplane.routing.stream_duration import StreamDuration

_DEADLINE_EXCEEDED: Final = 4  # gRPC's status


class StreamDeadlines:
    """Of one stream; armed when it begins."""

    __slots__ = ("_duration", "_headers", "_request", "_stream")

    def __init__(self, stream: Stream) -> None:
        config = stream.manager.config
        arm = stream.manager.server.deadlines.arm
        self._stream = stream
        self._request: Deadline | None = arm(config.request_timeout, self._request_over) if config.request_timeout else None
        self._headers: Deadline | None = None
        if config.request_headers_timeout:
            self._headers = arm(config.request_headers_timeout, self._headers_over)
        self._duration: Deadline | None = None
        if config.max_stream_duration:
            self._duration = arm(config.max_stream_duration, self._duration_over)

    def follow_route(self, limit: StreamDuration) -> None:
        """The route has a limit of its own.  It counts from the beginning of the stream, as the connection manager's does."""
        stream = self._stream
        default_ms = int(stream.manager.config.max_stream_duration * 1000)
        assert stream.request_headers is not None, "a route was found by them"
        allowed_ms = limit.apply(stream.request_headers, default_ms)
        if self._duration is not None:
            self._duration.cancel()
            self._duration = None
        if allowed_ms is not None:
            left = stream.start_at + allowed_ms / 1000 - stream.manager.clock()
            self._duration = stream.manager.server.deadlines.arm(max(0.0, left), self._duration_over)

    def on_request_headers(self) -> None:
        if self._headers is not None:
            self._headers.cancel()

    def on_request_end(self) -> None:
        if self._request is not None:
            self._request.cancel()

    def cancel(self) -> None:
        for deadline in (self._request, self._headers, self._duration):
            if deadline is not None:
                deadline.cancel()

    def _request_over(self) -> None:
        self._stream.manager.stats.rq_timeout.inc()
        self._stream.time_out(408, b"request timeout", "request_overall_timeout")

    def _headers_over(self) -> None:
        self._stream.manager.stats.rq_header_timeout.inc()
        self._stream.time_out(408, b"request header timeout", "request_header_timeout")

    def _duration_over(self) -> None:
        stream = self._stream
        stream.manager.stats.rq_max_duration_reached.inc()
        status = 504 if stream.request_complete else 408
        stream.time_out(status, b"downstream duration timeout", "max_duration_timeout", grpc_status=_DEADLINE_EXCEEDED)
