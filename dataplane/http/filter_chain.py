"""The HTTP filters in front of the terminal one, run over a stream.

Here: which filters run, both directions put together, replies, limits of what is held.  Not here: the run of one direction
(http.filter_way), filters (extensions.filters.http), the terminal filter's work (router).
A manager with no filter but the router has no `FilterProgram`: its streams never come here.
Decoding goes first to last, encoding last to first.  A request that is held beyond the limit is answered 413 if a filter wants it
whole, and waits otherwise; a response is replaced by a 500.
Envoy: FilterManager.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dataplane.http.filter_way import Way, steps

if TYPE_CHECKING:
    from dataplane.api.http_filter import TerminalFilter
    from dataplane.api.network_filter import ServerContext
    from dataplane.http.config import HttpFilterEntry
    from dataplane.http.stream import Stream
    from dataplane.observe.stats import Scope
    from dataplane.semantics.header_map import HeaderMap, RequestHeaders, ResponseHeaders


class FilterProgram:
    """The configured filters that are not disabled, in order."""

    __slots__ = ("_filters",)

    def __init__(self, filters: Sequence[object]) -> None:
        self._filters = tuple(filters)

    @staticmethod
    def of(entries: Sequence[HttpFilterEntry], server: ServerContext, stats: Scope) -> FilterProgram | None:
        """None where nothing is left to run.  stats: the connection manager's scope."""
        enabled = [_bound(entry, server, stats) for entry in entries if not entry.disabled]
        return FilterProgram(enabled) if enabled else None

    def run(self, stream: Stream, terminal: TerminalFilter) -> FilterRun:
        filters = [each.new_stream() if hasattr(each, "new_stream") else each for each in self._filters]
        return FilterRun(stream, filters, terminal)


def _bound(entry: HttpFilterEntry, server: ServerContext, stats: Scope) -> object:
    """The filter with its counters, if its configuration has any (api.http_filter.HttpFilterFactory)."""
    bind = getattr(entry.config, "bind", None)
    return entry.config if bind is None else bind(server, stats, entry.name)


class FilterRun:
    """The filters of one stream."""

    __slots__ = ("_filters", "_request", "_response", "_stream")

    def __init__(self, stream: Stream, filters: Sequence[object], terminal: TerminalFilter) -> None:
        self._stream = stream
        self._filters = filters
        self._request = Way(steps(filters, "decode"), stream, _ToTerminal(stream, terminal))
        self._response = Way(steps(filters[::-1], "encode"), stream, _ToClient(stream))

    # Request

    def decode_headers(self, headers: RequestHeaders, end_stream: bool) -> None:
        self._request.headers(headers, end_stream)

    def decode_data(self, data: bytes, end_stream: bool) -> None:
        self._request.data(data, end_stream)

    def decode_trailers(self, trailers: HeaderMap) -> None:
        self._request.trailers(trailers)

    def continue_decoding(self) -> None:
        self._request.proceed()

    # Response

    def encode_headers(self, headers: ResponseHeaders, end_stream: bool) -> None:
        self._response.headers(headers, end_stream)

    def encode_data(self, data: bytes, end_stream: bool) -> None:
        self._response.data(data, end_stream)

    def encode_trailers(self, trailers: HeaderMap) -> None:
        self._response.trailers(trailers)

    def continue_encoding(self) -> None:
        self._response.proceed()

    def encode_local_reply(self, headers: ResponseHeaders, body: bytes) -> None:
        """A reply of ours takes the way of every response; one that replaces a response under way goes past the filters, as in Envoy."""
        self._request.closed = True
        if self._response.has_begun:
            self._response.closed = True
            self._response = Way((), self._stream, _ToClient(self._stream))
        way = self._response
        way.headers(headers, not body)
        if body and not way.closed:
            way.data(body, True)

    def destroy(self) -> None:
        """The stream is over.  Called once, by the stream."""
        self._request.closed = self._response.closed = True
        for each in self._filters:
            on_destroy = getattr(each, "on_destroy", None)
            if on_destroy is not None:
                on_destroy(self._stream)


class _ToTerminal:
    """Behind the last filter of a request (filter_way.Sink)."""

    __slots__ = ("_paused", "_stream", "data", "headers", "trailers")

    def __init__(self, stream: Stream, terminal: TerminalFilter) -> None:
        self._stream = stream
        self._paused = False
        self.headers = terminal.decode_headers
        self.data = terminal.decode_data
        self.trailers = terminal.decode_trailers

    def on_held(self, size: int, whole_wanted: bool) -> None:
        stream = self._stream
        if size <= stream.buffer_limit:
            return
        if whole_wanted:
            stream.manager.stats.rq_too_large.inc()
            stream.local_reply(413, b"Payload Too Large", details="request_payload_too_large")
        elif not self._paused:
            self._paused = True
            stream.pause_decoding()

    def on_released(self) -> None:
        if self._paused:
            self._paused = False
            self._stream.resume_decoding()


class _ToClient:
    """Behind the last filter of a response (filter_way.Sink)."""

    __slots__ = ("_stream", "data", "headers", "trailers")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.headers = stream.send_headers
        self.data = stream.send_data
        self.trailers = stream.send_trailers

    def on_held(self, size: int, whole_wanted: bool) -> None:
        stream = self._stream
        if size > stream.buffer_limit:
            stream.manager.stats.rs_too_large.inc()
            stream.local_reply(500, b"Internal Server Error", details="response_payload_too_large")

    def on_released(self) -> None:
        pass
