"""Circuit breakers: how much of each resource a cluster may use at once.

Here: counting against limits.  Not here: what happens on overflow (upstream.pool_h1, router).
Envoy: config.cluster.v3.CircuitBreakers; stats cluster.<name>.circuit_breakers.<priority>.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataplane.observe.stats import Gauge, Scope


class Resource:
    """One counted resource.  The limit may change under it; what is in use stays in use."""

    __slots__ = ("_open", "_remaining", "active", "limit")

    def __init__(self, limit: int, is_open: Gauge, remaining: Gauge | None = None) -> None:
        """is_open: 1 while nothing more may be created.  remaining: what is left of the limit, where that is tracked."""
        self.active = 0
        self.limit = limit
        self._open = is_open
        self._remaining = remaining
        self._show()

    def can_create(self) -> bool:
        return self.active < self.limit

    def inc(self) -> None:
        self.active += 1
        if self.active >= self.limit or self._remaining is not None:
            self._show()

    def dec(self) -> None:
        self.active -= 1
        if self.active + 1 >= self.limit or self._remaining is not None:
            self._show()

    def configure(self, limit: int, remaining: Gauge | None) -> None:
        self.limit = limit
        self._remaining = remaining
        self._show()

    def _show(self) -> None:
        self._open.set(0 if self.active < self.limit or not self.active else 1)
        if self._remaining is not None:
            self._remaining.set(max(0, self.limit - self.active))


class Breakers:
    """The resources of one cluster at one routing priority."""

    __slots__ = ("_scope", "connections", "pending", "requests", "retries")

    def __init__(
        self, scope: Scope, connections: int, pending: int, requests: int, retries: int, track_remaining: bool = False
    ) -> None:
        """scope: `cluster.<name>.circuit_breakers.<priority>.`"""
        self._scope = scope
        self.connections = Resource(connections, scope.gauge("cx_open"))
        self.pending = Resource(pending, scope.gauge("rq_pending_open"))
        self.requests = Resource(requests, scope.gauge("rq_open"))
        self.retries = Resource(retries, scope.gauge("rq_retry_open"))
        scope.gauge("cx_pool_open").set(0)
        self.configure(connections, pending, requests, retries, track_remaining)

    def configure(self, connections: int, pending: int, requests: int, retries: int, track_remaining: bool) -> None:
        """Take new limits over."""
        for resource, limit, name in (
            (self.connections, connections, "remaining_cx"),
            (self.pending, pending, "remaining_pending"),
            (self.requests, requests, "remaining_rq"),
            (self.retries, retries, "remaining_retries"),
        ):
            resource.configure(limit, self._scope.gauge(name) if track_remaining else None)
