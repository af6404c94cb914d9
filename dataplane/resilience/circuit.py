"""Circuit breakers: how much of each resource a cluster may use at once.

Here: counting against limits.  Not here: what happens on overflow (upstream.pool_h1, router).
Envoy: config.cluster.v3.CircuitBreakers; stats cluster.<name>.circuit_breakers.<priority>.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataplane.base.counts import Count
    from dataplane.observe.stats import Gauge, Scope

_ALONE: Final = (None, None, None, None)


class Resource:
    """One counted resource.  The limit may change under it; what is in use stays in use."""

    __slots__ = ("_open", "_remaining", "limit")

    def __init__(self, limit: int, is_open: Gauge) -> None:
        """is_open: 1 while nothing more may be created."""
        self.limit = limit
        self._open = is_open
        self._remaining: Gauge | None = None

    @property
    def active(self) -> int:
        """How much is in use."""
        raise NotImplementedError

    def can_create(self) -> bool:
        return self.active < self.limit

    def inc(self) -> None:
        raise NotImplementedError

    def dec(self) -> None:
        raise NotImplementedError

    def configure(self, limit: int, remaining: Gauge | None) -> None:
        """remaining: shows what is left of the limit, where that is tracked."""
        self.limit = limit
        self._remaining = remaining
        self.show()

    def show(self) -> None:
        """Bring the gauges up to date."""
        active = self.active
        self._open.set(0 if active < self.limit or not active else 1)
        if self._remaining is not None:
            self._remaining.set(max(0, self.limit - active))


class OwnResource(Resource):
    """Of a process that is alone."""

    __slots__ = ("_active",)

    def __init__(self, limit: int, is_open: Gauge) -> None:
        super().__init__(limit, is_open)
        self._active = 0

    @property
    def active(self) -> int:
        return self._active

    def can_create(self) -> bool:
        return self._active < self.limit

    def inc(self) -> None:
        self._active += 1
        if self._active >= self.limit or self._remaining is not None:
            self.show()

    def dec(self) -> None:
        self._active -= 1
        if self._active + 1 >= self.limit or self._remaining is not None:
            self.show()


class SharedResource(Resource):
    """Of several processes.  The gauges are shown by the one that is asked for them, and only then."""

    __slots__ = ("_add", "_count")

    def __init__(self, limit: int, is_open: Gauge, count: Count) -> None:
        super().__init__(limit, is_open)
        self._count = count
        self._add = count.add

    @property
    def active(self) -> int:
        return self._count.total

    def inc(self) -> None:
        self._add(1)

    def dec(self) -> None:
        self._add(-1)


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """So many retries as a share of what is under way, 0..1, but at least *minimum*.  Envoy: CircuitBreakers.Thresholds.RetryBudget."""

    share: float = 0.2
    minimum: int = 3

    def limit(self, under_way: int) -> int:
        return max(int(self.share * under_way), self.minimum)


class Breakers:
    """The resources of one cluster at one routing priority."""

    __slots__ = ("_budget", "_remaining_retries", "_scope", "connections", "pending", "requests", "retries")

    def __init__(
        self,
        scope: Scope,
        connections: int,
        pending: int,
        requests: int,
        retries: int,
        track_remaining: bool = False,
        budget: RetryBudget | None = None,
        counts: Sequence[Count] | None = None,
    ) -> None:
        """scope: `cluster.<name>.circuit_breakers.<priority>.`  counts: of the resources, where other processes use them, too."""
        self._scope = scope
        of_connections, of_pending, of_requests, of_retries = counts or _ALONE
        self.connections = _resource(connections, scope.gauge("cx_open"), of_connections)
        self.pending = _resource(pending, scope.gauge("rq_pending_open"), of_pending)
        self.requests = _resource(requests, scope.gauge("rq_open"), of_requests)
        self.retries = _resource(retries, scope.gauge("rq_retry_open"), of_retries)
        scope.gauge("cx_pool_open").set(0)
        self._budget = budget
        self.configure(connections, pending, requests, retries, track_remaining, budget)

    def configure(
        self,
        connections: int,
        pending: int,
        requests: int,
        retries: int,
        track_remaining: bool,
        budget: RetryBudget | None = None,
    ) -> None:
        """Take new limits over."""
        self._budget = budget
        self._remaining_retries: Gauge | None = None
        for resource, limit, name in (
            (self.connections, connections, "remaining_cx"),
            (self.pending, pending, "remaining_pending"),
            (self.requests, requests, "remaining_rq"),
            (self.retries, retries, "remaining_retries"),
        ):
            resource.configure(limit, self._scope.gauge(name) if track_remaining else None)
        if budget is not None:
            # As Envoy: the gauge says `max_retries` until somebody asks what the budget leaves, and nothing from then on.
            self._remaining_retries = self._scope.gauge("remaining_retries") if track_remaining else None
            self.retries.configure(budget.limit(0), None)

    def may_retry(self) -> bool:
        """Whether there may be one more retry."""
        self._follow_budget()
        return self.retries.can_create()

    @property
    def max_retries(self) -> int:
        """As many as there may be now."""
        self._follow_budget()
        return self.retries.limit

    def _follow_budget(self) -> None:
        if self._budget is not None:
            self.retries.limit = self._budget.limit(self.requests.active + self.pending.active)
            if self._remaining_retries is not None:
                self._remaining_retries.set(0)

    def show(self) -> None:
        """Bring the gauges up to date: of what several processes use, nobody else does."""
        self._follow_budget()
        for resource in (self.connections, self.pending, self.requests, self.retries):
            resource.show()


def _resource(limit: int, is_open: Gauge, count: Count | None) -> Resource:
    return OwnResource(limit, is_open) if count is None else SharedResource(limit, is_open, count)
