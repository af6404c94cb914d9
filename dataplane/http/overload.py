"""Requests that are refused because a resource runs short.  Envoy: envoy.overload_actions.stop_accepting_requests.

Not here: how short it is (server.overload).  Without an overload manager nothing is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from random import random
from typing import TYPE_CHECKING, Final

from dataplane.http.request_headers import Refusal

if TYPE_CHECKING:
    from dataplane.api.overload import OverloadLevels
    from dataplane.http.request_headers import Peer, PreparedStream
    from dataplane.http.stats import HttpStats
    from dataplane.semantics.header_map import RequestHeaders

    Prepare = Callable[[RequestHeaders, bool, Peer, PreparedStream], Refusal | None]

_OVERLOADED: Final = Refusal(503, "overload", body=b"envoy overloaded")


def refusing(prepare: Prepare, levels: OverloadLevels | None, stats: HttpStats, chance: Callable[[], float] = random) -> Prepare:
    """*prepare*, for the requests that are not refused before anything is done for them."""
    if levels is None:
        return prepare

    def prepare_or_refuse(headers: RequestHeaders, has_host: bool, peer: Peer, stream: PreparedStream) -> Refusal | None:
        if levels.refuse_requests and chance() < levels.refuse_requests:
            stats.rq_overload_close.inc()
            return _OVERLOADED
        return prepare(headers, has_host, peer, stream)

    return prepare_or_refuse
