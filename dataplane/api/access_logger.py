"""Access loggers: one line (or message) per stream or connection.  Envoy: config.accesslog.v3.AccessLog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dataplane.observe.stream_info import StreamInfo
    from dataplane.semantics.header_map import HeaderMap, RequestHeaders, ResponseHeaders


class AccessLogger(Protocol):
    """Compiled and shared by all streams; its filter, where it has one, is inside."""

    def log(
        self,
        request: RequestHeaders | None,
        response: ResponseHeaders | None,
        trailers: HeaderMap | None,
        info: StreamInfo,
    ) -> None:
        """Called once at the end.  request and response are None for a TCP connection or where none was seen.  Never raises."""
