"""The HTTP filters in front of the terminal one, run over a stream.

Here: which filters run, where the run stopped, what is held back meanwhile.  Not here: filters (extensions.filters.http), the terminal
filter's work (router).  A manager with no filter but the router has no `FilterProgram`: its streams never come here.
Rules, Envoy's: decoding goes first to last, encoding last to first.  A filter that stopped at the headers still sees the body that
follows; CONTINUE from there lets headers and held body go on together.  What is held is limited: a request that grows over the limit is
answered 413, a response 500.
Envoy: FilterManager.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from dataplane.api.http_filter import CONTINUE

if TYPE_CHECKING:
    from dataplane.api.http_filter import FilterStatus, TerminalFilter
    from dataplane.http.config import HttpFilterEntry
    from dataplane.http.stream import Stream
    from dataplane.semantics.header_map import HeaderMap, RequestHeaders, ResponseHeaders

_NOWHERE: Final = -1


class FilterProgram:
    """The configured filters that are not disabled, in order."""

    __slots__ = ("_filters",)

    def __init__(self, filters: Sequence[object]) -> None:
        self._filters = tuple(filters)

    @staticmethod
    def of(entries: Sequence[HttpFilterEntry]) -> FilterProgram | None:
        """None where nothing is left to run."""
        enabled = [entry.config for entry in entries if not entry.disabled]
        return FilterProgram(enabled) if enabled else None

    def run(self, stream: Stream, terminal: TerminalFilter) -> FilterRun:
        filters = [each.new_stream() if hasattr(each, "new_stream") else each for each in self._filters]
        return FilterRun(stream, filters, terminal)


class _Direction:
    """One way through the filters: the steps in their order, and how far the headers and the body have come."""

    __slots__ = ("at", "ended", "held", "on_data", "on_headers", "on_trailers", "stopped", "trailers")

    def __init__(self, filters: Sequence[object], prefix: str) -> None:
        self.on_headers = [_method(each, f"{prefix}_headers") for each in filters]
        self.on_data = [_method(each, f"{prefix}_data") for each in filters]
        self.on_trailers = [_method(each, f"{prefix}_trailers") for each in filters]
        self.at = 0  # the filter that has the headers next, or that stopped them
        self.stopped = False
        self.held: list[bytes] = []
        self.ended = False  # the message's last part has been given to this direction
        self.trailers: HeaderMap | None = None

    @property
    def held_bytes(self) -> int:
        return sum(map(len, self.held))


def _method(each: object, name: str) -> Callable[..., FilterStatus] | None:
    found: Any = getattr(each, name, None)
    return found  # type: ignore[no-any-return]  # filters define what they need; the protocol is api.http_filter.HttpFilter


class FilterRun:
    """The filters of one stream."""

    __slots__ = (
        "_decoding",
        "_destroyed",
        "_encoding",
        "_filters",
        "_limit",
        "_paused",
        "_replied",
        "_request",
        "_response",
        "_stream",
        "_terminal",
    )

    def __init__(self, stream: Stream, filters: Sequence[object], terminal: TerminalFilter) -> None:
        self._stream = stream
        self._filters = filters
        self._terminal = terminal
        self._decoding = _Direction(filters, "decode")
        self._encoding = _Direction(list(reversed(filters)), "encode")
        self._limit = stream.connection.downstream.listener.per_connection_buffer_limit
        self._paused = False
        self._destroyed = False
        self._replied = False
        self._request: RequestHeaders | None = None
        self._response: ResponseHeaders | None = None

    # Request

    def decode_headers(self, headers: RequestHeaders, end_stream: bool) -> None:
        self._request = headers
        self._decoding.ended = end_stream
        self._advance_request()

    def _advance_request(self) -> None:
        """Take the headers on from where they are; behind the last filter the held body follows them."""
        way, stream = self._decoding, self._stream
        assert self._request is not None
        while way.at < len(way.on_headers):
            step = way.on_headers[way.at]
            if (
                step is not None
                and step(self._request, way.ended and not way.held and way.trailers is None, stream) is not CONTINUE
            ):
                way.stopped = not self._over
                return
            if self._over:
                return
            way.at += 1
        body = b"".join(way.held)
        way.held.clear()
        self._resume()
        only_headers = way.ended and not body and way.trailers is None
        self._terminal.decode_headers(self._request, only_headers)
        if body and not self._over:
            self._terminal.decode_data(body, way.ended and way.trailers is None)
        if way.trailers is not None and not self._over:
            self._terminal.decode_trailers(way.trailers)

    def decode_data(self, data: bytes, end_stream: bool) -> None:
        way = self._decoding
        way.ended = end_stream
        last = way.at if way.stopped else len(way.on_data) - 1
        for index in range(min(last + 1, len(way.on_data))):
            step = way.on_data[index]
            if step is None:
                continue
            status = step(data, end_stream, self._stream)
            if self._over:
                return
            if index == way.at and way.stopped and status is CONTINUE:
                way.held.append(data)
                self.continue_decoding()
                return
        if way.stopped:
            self._hold_request(data)
        else:
            self._terminal.decode_data(data, end_stream)

    def _hold_request(self, data: bytes) -> None:
        way = self._decoding
        way.held.append(data)
        if way.held_bytes <= self._limit:
            return
        if way.on_data[way.at] is not None:  # a filter that wants the whole body cannot have it
            self._stream.manager.stats.rq_too_large.inc()
            self._stream.local_reply(413, b"Payload Too Large", details="request_payload_too_large")
        elif not self._paused:
            self._paused = True
            self._stream.pause_decoding()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._stream.resume_decoding()

    def decode_trailers(self, trailers: HeaderMap) -> None:
        way = self._decoding
        way.ended = True
        way.trailers = trailers
        last = way.at if way.stopped else len(way.on_trailers) - 1
        for step in way.on_trailers[: last + 1]:
            status = CONTINUE if step is None else step(trailers, self._stream)
            if self._over:
                return
            if status is CONTINUE and step is not None and step is way.on_trailers[min(way.at, last)] and way.stopped:
                self.continue_decoding()
                return
        if not way.stopped:
            self._terminal.decode_trailers(trailers)

    def continue_decoding(self) -> None:
        way = self._decoding
        if way.stopped and not self._over:
            way.stopped = False
            way.at += 1
            self._advance_request()

    # Response

    def encode_headers(self, headers: ResponseHeaders, end_stream: bool) -> None:
        self._response = headers
        self._encoding.ended = end_stream
        self._advance_response()

    def encode_local_reply(self, headers: ResponseHeaders, body: bytes) -> None:
        """A reply of ours takes the way of every response; one that replaces a response under way goes past the filters, as in Envoy."""
        self._replied = True
        self._decoding.held.clear()
        if self._response is not None:
            self._encoding = _Direction((), "encode")
        self._encoding.held = [body] if body else []
        self._encoding.ended = True
        self._response = headers
        self._advance_response()

    def _advance_response(self) -> None:
        way, stream = self._encoding, self._stream
        assert self._response is not None
        while way.at < len(way.on_headers):
            step = way.on_headers[way.at]
            if (
                step is not None
                and step(self._response, way.ended and not way.held and way.trailers is None, stream) is not CONTINUE
            ):
                way.stopped = way is self._encoding
                return
            if self._stream.finished or way is not self._encoding:
                return
            way.at += 1
        body = b"".join(way.held)
        way.held.clear()
        stream.send_headers(self._response, way.ended and not body and way.trailers is None)
        if body:
            stream.send_data(body, way.ended and way.trailers is None)
        if way.trailers is not None:
            stream.send_trailers(way.trailers)

    def encode_data(self, data: bytes, end_stream: bool) -> None:
        way = self._encoding
        way.ended = end_stream
        last = way.at if way.stopped else len(way.on_data) - 1
        for index in range(min(last + 1, len(way.on_data))):
            step = way.on_data[index]
            if step is None:
                continue
            status = step(data, end_stream, self._stream)
            if self._stream.finished or way is not self._encoding:
                return
            if index == way.at and way.stopped and status is CONTINUE:
                way.held.append(data)
                self.continue_encoding()
                return
        if not way.stopped:
            self._stream.send_data(data, end_stream)
            return
        way.held.append(data)
        if way.held_bytes > self._limit:
            self._stream.manager.stats.rs_too_large.inc()
            self._stream.local_reply(500, b"Internal Server Error", details="response_payload_too_large")

    def encode_trailers(self, trailers: HeaderMap) -> None:
        way = self._encoding
        way.ended = True
        way.trailers = trailers
        for step in way.on_trailers[: way.at + 1 if way.stopped else None]:
            if step is not None:
                step(trailers, self._stream)
        if not way.stopped:
            self._stream.send_trailers(trailers)

    def continue_encoding(self) -> None:
        way = self._encoding
        if way.stopped and not self._stream.finished:
            way.stopped = False
            way.at += 1
            self._advance_response()

    @property
    def _over(self) -> bool:
        """A filter may have answered, or the client may have gone, inside any call."""
        return self._replied or self._destroyed or self._stream.finished

    def destroy(self) -> None:
        if self._destroyed:
            return
        self._destroyed = True
        for each in self._filters:
            on_destroy = getattr(each, "on_destroy", None)
            if on_destroy is not None:
                on_destroy(self._stream)
