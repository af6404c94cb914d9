"""Requests that are refused, and times that are cut short, because a resource runs short.

Envoy: envoy.overload_actions.{stop_accepting_requests, reduce_timeouts}, envoy.load_shed_points.http_connection_manager_decode_headers.

Not here: how short it is (server.overload).  Without an overload manager nothing is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from random import random
from typing import TYPE_CHECKING, Final, Protocol

from dataplane.api.overload import CONNECTION_IDLE, CONNECTION_MAX, DECODE_HEADERS, STREAM_FLUSH, STREAM_IDLE
from dataplane.http.request_headers import Refusal

if TYPE_CHECKING:
    from dataplane.api.overload import OverloadLevels
    from dataplane.http.config import HttpConnectionManagerConfig
    from dataplane.http.peer import Peer
    from dataplane.http.request_headers import PreparedStream
    from dataplane.http.stats import HttpStats
    from dataplane.semantics.header_map import RequestHeaders

    Prepare = Callable[[RequestHeaders, bool, Peer, PreparedStream], Refusal | None]

_OVERLOADED: Final = Refusal(503, "overload", body=b"envoy overloaded")


def refusing(prepare: Prepare, levels: OverloadLevels | None, stats: HttpStats, chance: Callable[[], float] = random) -> Prepare:
    """*prepare*, for the requests that are not refused before anything is done for them."""
    if levels is None:
        return prepare
    point = levels.points.get(DECODE_HEADERS)

    def prepare_or_refuse(headers: RequestHeaders, has_host: bool, peer: Peer, stream: PreparedStream) -> Refusal | None:
        if (levels.refuse_requests and chance() < levels.refuse_requests) or (point is not None and point.sheds()):
            stats.rq_overload_close.inc()
            return _OVERLOADED
        return prepare(headers, has_host, peer, stream)

    return prepare_or_refuse


class Times(Protocol):
    """For how long connections and streams may last.  stream_flush_timeout: None where it is stream_idle_timeout."""

    @property
    def idle_timeout(self) -> float: ...

    @property
    def stream_idle_timeout(self) -> float: ...

    @property
    def stream_flush_timeout(self) -> float | None: ...

    @property
    def max_connection_duration(self) -> float: ...


class ReducedTimes:
    """Those of a connection manager, as far as the overload manager leaves them."""

    def __init__(self, config: HttpConnectionManagerConfig, levels: OverloadLevels) -> None:
        self._config = config
        self._levels = levels

    @property
    def idle_timeout(self) -> float:
        return self._levels.reduced(CONNECTION_IDLE, self._config.idle_timeout)

    @property
    def stream_idle_timeout(self) -> float:
        return self.stream_idle(self._config.stream_idle_timeout)

    @property
    def stream_flush_timeout(self) -> float:
        config = self._config
        full = config.stream_idle_timeout if config.stream_flush_timeout is None else config.stream_flush_timeout
        return self._levels.reduced(STREAM_FLUSH, full)

    @property
    def max_connection_duration(self) -> float:
        return self._levels.reduced(CONNECTION_MAX, self._config.max_connection_duration)

    def stream_idle(self, seconds: float) -> float:
        """What is left of a stream's own."""
        return self._levels.reduced(STREAM_IDLE, seconds)
