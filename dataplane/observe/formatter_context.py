"""What a line of an access log, a header's value or a local reply's body is made from.  Envoy: Formatter::Context, and its StreamInfo."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataplane.observe.stream_info import StreamInfo
    from dataplane.semantics.header_map import HeaderMap, RequestHeaders, ResponseHeaders


class FormatterContext:
    """The messages of an exchange, as they are at this moment, and what is known of it.  A message is None where there is none (yet)."""

    __slots__ = ("info", "request", "response", "trailers")

    def __init__(
        self,
        info: StreamInfo,
        request: RequestHeaders | None = None,
        response: ResponseHeaders | None = None,
        trailers: HeaderMap | None = None,
    ) -> None:
        self.info = info
        self.request = request
        self.response = response
        self.trailers = trailers
