"""One way of a message through the HTTP filters: where its headers are, where it was stopped, what is held back there.

Here: the run of one direction, whatever it carries.  Not here: which filters, replies, limits and their consequences (http.filter_chain).
Rules, Envoy's: headers, body and trailers pass every filter in order.  A filter that stopped the headers still sees the body that
follows; CONTINUE from there lets headers and held body go on together.  A filter may also let the headers pass and stop the body.
A filter that answers a piece of body, or the trailers, with bytes puts these in the place of the piece, or ahead of the trailers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from dataplane.api.http_filter import CONTINUE

if TYPE_CHECKING:
    from dataplane.api.http_filter import FilterStatus
    from dataplane.http.stream import Stream
    from dataplane.semantics.header_map import HeaderMap

_NOWHERE: Final = -1

Method = Callable[..., "FilterStatus | bytes"]


class Step(NamedTuple):
    """What one filter does in one direction; None where it does nothing."""

    headers: Method | None
    data: Method | None
    trailers: Method | None


def steps(filters: Sequence[object], prefix: str) -> tuple[Step, ...]:
    """prefix: `decode` or `encode`.  Filters define the methods they need (api.http_filter.HttpFilter)."""
    return tuple(Step(*(_method(each, f"{prefix}_{part}") for part in Step._fields)) for each in filters)


def _method(each: object, name: str) -> Any:
    return getattr(each, name, None)


class Sink(Protocol):
    """Where a message goes behind the last filter."""

    def headers(self, headers: Any, end_stream: bool) -> None: ...

    def data(self, data: bytes, end_stream: bool) -> None: ...

    def trailers(self, trailers: HeaderMap) -> None: ...

    def on_held(self, size: int, whole_wanted: bool) -> None:
        """*size* bytes of body are held.  whole_wanted: by a filter that looks at them; False: by one that only waits."""

    def on_released(self) -> None: ...


class Way:
    """See the module.  `closed`: the message goes no further, whatever a filter says."""

    __slots__ = ("_ended", "_headers", "_held", "_next", "_sink", "_steps", "_stopped_at", "_stream", "_trailers", "closed")

    def __init__(self, way: tuple[Step, ...], stream: Stream, sink: Sink) -> None:
        self._steps = way
        self._stream = stream
        self._sink = sink
        self._headers: HeaderMap | None = None
        self._next = 0  # the filter that gets the headers next; beyond the last: the sink; then: nobody
        self._stopped_at = _NOWHERE
        self._held: list[bytes] = []
        self._trailers: HeaderMap | None = None
        self._ended = False  # the message's last part is here
        self.closed = False

    @property
    def has_begun(self) -> bool:
        return self._headers is not None

    def headers(self, headers: HeaderMap, end_stream: bool) -> None:
        self._headers = headers
        self._ended = end_stream
        self._advance_headers(end_stream)

    def data(self, data: bytes, end_stream: bool) -> None:
        self._ended = end_stream
        self._pass_data(0, data)

    def trailers(self, trailers: HeaderMap) -> None:
        self._ended = True
        self._trailers = trailers
        self._pass_trailers(0)

    def proceed(self) -> None:
        """Go on behind the filter that stopped: headers first, if they had not passed it, then what was held."""
        at, self._stopped_at = self._stopped_at, _NOWHERE
        if at == _NOWHERE or self.closed:
            return
        had_body = bool(self._held)
        body = b"".join(self._held)
        self._held.clear()
        self._sink.on_released()
        if self._next <= len(self._steps):
            self._advance_headers(self._ended and not had_body and self._trailers is None)
        if had_body and not self.closed:
            self._pass_data(at + 1, body)
        if self._trailers is not None and not self.closed:
            self._pass_trailers(at + 1)

    def _advance_headers(self, nothing_follows: bool) -> None:
        while self._next < len(self._steps):
            index = self._next
            self._next += 1
            step = self._steps[index].headers
            if step is None:
                continue
            status = step(self._headers, nothing_follows, self._stream)
            if self.closed:
                return
            if status is not CONTINUE:
                self._stopped_at = index
                return
        self._next += 1
        self._sink.headers(self._headers, nothing_follows)

    def _pass_data(self, start: int, data: bytes) -> None:
        last = self._ended and self._trailers is None
        for index in range(start, len(self._steps)):
            step = self._steps[index].data
            status = CONTINUE if step is None else step(data, last, self._stream)
            if self.closed:
                return
            if isinstance(status, bytes):  # the filter changed the body
                data, status = status, CONTINUE
                if not data and not last:
                    return
            if index == self._stopped_at:
                self._hold(data, step is not None)
                if step is not None and status is CONTINUE:
                    self.proceed()
                return
            if status is not CONTINUE:
                self._stopped_at = index
                self._hold(data, True)
                return
        self._sink.data(data, last)

    def _pass_trailers(self, start: int) -> None:
        for index in range(start, len(self._steps)):
            step = self._steps[index].trailers
            status = CONTINUE if step is None else step(self._trailers, self._stream)
            if isinstance(status, bytes) and not self.closed:  # the end of a body that the filter changed
                self._pass_data(index + 1, status)
                status = CONTINUE
            if self.closed:
                return
            if index == self._stopped_at:
                if step is not None and status is CONTINUE:
                    self.proceed()
                return
            if status is not CONTINUE:
                self._stopped_at = index
                return
        assert self._trailers is not None
        self._sink.trailers(self._trailers)

    def _hold(self, data: bytes, whole_wanted: bool) -> None:
        self._held.append(data)
        self._sink.on_held(sum(map(len, self._held)), whole_wanted)
