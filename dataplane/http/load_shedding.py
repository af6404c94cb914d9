"""Work that is dropped because a resource runs short, at the points of a connection that carries HTTP.

Here: what stands before a connection's bytes and before its router, where such a point is configured.  Not here: how much is dropped
(server.overload), requests that are refused before anything is done for them (http.overload).
Envoy: config.overload.v3.LoadShedPoint; ConnectionManagerImpl::onData, Http1::ServerConnectionImpl, Router::Filter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from dataplane.api.overload import ABORT_DISPATCH, CREATE_CODEC, FILTER_CHECK, GO_AWAY, GO_AWAY_AND_CLOSE
from dataplane.routing.route import ForwardAction

if TYPE_CHECKING:
    from dataplane.api.http_filter import BoundTerminalFilter, HttpStream, TerminalFilter
    from dataplane.api.overload import LoadShedPoint, OverloadLevels
    from dataplane.http.connection_manager import HttpConnection
    from dataplane.observe.stats import Scope
    from dataplane.semantics.header_map import RequestHeaders


class DispatchPoints:
    """The points where a connection's bytes are looked at."""

    __slots__ = ("abort", "create_codec", "go_away", "go_away_and_close")

    def __init__(self, levels: OverloadLevels) -> None:
        self.create_codec = levels.points.get(CREATE_CODEC)
        self.abort = levels.points.get(ABORT_DISPATCH)
        self.go_away = levels.points.get(GO_AWAY)
        self.go_away_and_close = levels.points.get(GO_AWAY_AND_CLOSE)

    @staticmethod
    def of(levels: OverloadLevels | None) -> DispatchPoints | None:
        """None where no such point is configured: then connections stand for themselves."""
        wanted = (CREATE_CODEC, ABORT_DISPATCH, GO_AWAY, GO_AWAY_AND_CLOSE)
        return None if levels is None or levels.points.keys().isdisjoint(wanted) else DispatchPoints(levels)


class SheddingConnection:
    """Stands before an HttpConnection and takes its place.  Implements api.network_filter.NetworkFilter."""

    def __init__(self, inner: HttpConnection, points: DispatchPoints) -> None:
        self._inner = inner
        self._points = points
        self._begun = False
        self.on_end = inner.on_end
        self.on_close = inner.on_close
        self.on_write_blocked = inner.on_write_blocked
        self.on_write_ready = inner.on_write_ready
        self.on_drain = inner.on_drain
        self.close_if_idle = inner.close_if_idle
        self.on_times_changed = inner.on_times_changed
        self.holding: Callable[[], Iterable[tuple[int, Callable[[], None]]]] = inner.holding

    def on_data(self, data: bytes) -> None:
        """In Envoy's order.  What is not dropped goes on to the connection."""
        inner, points = self._inner, self._points
        if not self._begun:
            self._begun = True
            if _sheds(points.create_codec):
                inner.refuse_codec(len(data))
                return
            inner.choose_codec(data)
        if _sheds(points.go_away_and_close):
            inner.force_goaway(len(data))
            return
        if _sheds(points.go_away):
            inner.begin_drain()
        if not inner.is_http2 and _sheds(points.abort):
            inner.abort_dispatch(len(data))
            return
        inner.on_data(data)


def _sheds(point: LoadShedPoint | None) -> bool:
    return point is not None and point.sheds()


def shedding_terminal(inner: BoundTerminalFilter, levels: OverloadLevels | None, scope: Scope) -> BoundTerminalFilter:
    """*inner*, behind the point that is asked before a request is forwarded.  scope: the connection manager's."""
    point = None if levels is None else levels.points.get(FILTER_CHECK)
    return inner if point is None else _SheddingTerminal(inner, point, scope)


class _SheddingTerminal:
    """Implements api.http_filter.BoundTerminalFilter."""

    def __init__(self, inner: BoundTerminalFilter, point: LoadShedPoint, scope: Scope) -> None:
        self._inner = inner
        self._point = point
        self._requests = scope.counter("rq_total")
        self._replies = scope.counter("rq_overload_local_reply")

    def new_stream(self, stream: HttpStream) -> TerminalFilter:
        return _CheckedStream(stream, self._inner.new_stream(stream), self)

    def sheds(self) -> bool:
        """Whether a request goes no further; as Envoy, it counts as one that was routed."""
        if not self._point.sheds():
            return False
        self._requests.inc()
        self._replies.inc()
        return True


class _CheckedStream:
    """Implements api.http_filter.TerminalFilter."""

    def __init__(self, stream: HttpStream, inner: TerminalFilter, bound: _SheddingTerminal) -> None:
        self._stream = stream
        self._inner = inner
        self._bound = bound
        self.decode_data = inner.decode_data
        self.decode_trailers = inner.decode_trailers
        self.on_downstream_blocked = inner.on_downstream_blocked
        self.on_downstream_ready = inner.on_downstream_ready
        self.on_destroy = inner.on_destroy

    def decode_headers(self, headers: RequestHeaders, end_stream: bool) -> None:
        route = self._stream.route
        if route is not None and isinstance(route.action, ForwardAction) and self._bound.sheds():
            self._stream.local_reply(503, b"envoy overloaded", details="overload")
        else:
            self._inner.decode_headers(headers, end_stream)
