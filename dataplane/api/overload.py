"""Overload: what monitors measure, and what the engine does less of because of it.

Here: the interface of a monitor, and the levels that the parts of the engine read.  Not here: measuring (extensions.resource_monitors), when
levels change (server.overload).  A process without an overload manager has no levels, and nobody asks for them.
Envoy: config.overload.v3.OverloadManager, Server::OverloadActionState, Server::LoadShedPoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import random
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from dataplane.observe.stats import Counter
    from dataplane.resilience.overload import LeastTime

# Where load may be shed.
_POINT: Final = "envoy.load_shed_points."
ACCEPT: Final = _POINT + "tcp_listener_accept"
CREATE_CODEC: Final = _POINT + "hcm_ondata_creating_codec"
ABORT_DISPATCH: Final = _POINT + "http1_server_abort_dispatch"
GO_AWAY: Final = _POINT + "http2_server_go_away_on_dispatch"
GO_AWAY_AND_CLOSE: Final = _POINT + "http2_server_go_away_and_close_on_dispatch"
DECODE_HEADERS: Final = _POINT + "http_connection_manager_decode_headers"
FILTER_CHECK: Final = _POINT + "http_downstream_filter_check"
NEW_UPSTREAM_CONNECTION: Final = _POINT + "connection_pool_new_connection"

# Times that may be reduced.
CONNECTION_IDLE: Final = "HTTP_DOWNSTREAM_CONNECTION_IDLE"
STREAM_IDLE: Final = "HTTP_DOWNSTREAM_STREAM_IDLE"
STREAM_FLUSH: Final = "HTTP_DOWNSTREAM_STREAM_FLUSH"
CONNECTION_MAX: Final = "HTTP_DOWNSTREAM_CONNECTION_MAX"
TRANSPORT_SOCKET_CONNECT: Final = "TRANSPORT_SOCKET_CONNECT"


class ResourceMonitor(Protocol):
    """One resource of the machine or of the process."""

    def pressure(self, main_process: int) -> float:
        """How much of it is taken, 0 to 1 and beyond.  Raises OSError or ValueError where that is not known.

        main_process: the one whose children, if it has some, carry the traffic.
        """


class LoadShedPoint:
    """A place where work may be dropped.  level: how much of it, 0.0 to 1.0."""

    __slots__ = ("_chance", "_shed", "level")

    def __init__(self, shed: Counter, chance: Callable[[], float] = random) -> None:
        self.level = 0.0
        self._shed = shed
        self._chance = chance

    def sheds(self) -> bool:
        """Whether this piece of work is dropped."""
        if not self.level or self._chance() >= self.level:
            return False
        self._shed.inc()
        return True


class OverloadLevels:
    """How much of each is given up: 0.0 nothing, 1.0 all, between them by chance.

    refuse_requests: answered with 503.  reject_connections: closed when they come.  reduce_times: how far towards their least.
    points: those that are configured.
    """

    __slots__ = ("_least_times", "points", "reduce_times", "refuse_requests", "reject_connections")

    def __init__(
        self, points: Mapping[str, LoadShedPoint] | None = None, least_times: Mapping[str, LeastTime] | None = None
    ) -> None:
        self.refuse_requests = 0.0
        self.reject_connections = 0.0
        self.reduce_times = 0.0
        self.points = points or {}
        self._least_times = least_times or {}

    @property
    def reduces_times(self) -> bool:
        """Whether it is configured that times may be reduced."""
        return bool(self._least_times)

    def reduced(self, timer: str, seconds: float) -> float:
        """What is left of a time now; 0.0, which is none, stays."""
        least = self._least_times.get(timer)
        if least is None or not self.reduce_times or not seconds:
            return seconds
        return least.reduced(seconds, self.reduce_times)
