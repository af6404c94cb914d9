"""Marks in the ids of requests that are to be traced, and counters of why.

Not here: the decision (routing.trace_sampling).  Envoy: HttpConnectionManager.tracing; `http.<stat_prefix>.tracing.`
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataplane.routing.trace_sampling import RequestIdOptions, TraceSampling, decide
from dataplane.semantics import request_id

if TYPE_CHECKING:
    from dataplane.observe.stats import Scope
    from dataplane.routing.route import Route
    from dataplane.semantics.header_map import RequestHeaders

_COUNTERS = {
    request_id.SAMPLED: "random_sampling",
    request_id.FORCED_BY_SERVICE: "service_forced",
    request_id.FORCED_BY_CLIENT: "client_enabled",
    request_id.NOT_TRACED: "not_traceable",
}


class TraceMarks:
    """Of one connection manager.  Calling it marks a request whose route is known."""

    def __init__(self, sampling: TraceSampling, options: RequestIdOptions, scope: Scope) -> None:
        """scope: of the connection manager."""
        self._sampling = sampling
        self._options = options
        self._counters = {reason: scope.counter(f"tracing.{name}") for reason, name in _COUNTERS.items()}

    def __call__(self, headers: RequestHeaders, route: Route | None, random_value: int) -> None:
        sampling = self._sampling if route is None or route.trace_sampling is None else route.trace_sampling
        self._counters[decide(headers, sampling, self._options, random_value)].inc()
