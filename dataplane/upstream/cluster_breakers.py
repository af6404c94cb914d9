"""The circuit breakers of a live cluster, made and kept to what is configured.

Here: which limits they have.  Not here: counting against them (resilience.circuit).
Envoy: config.cluster.v3.CircuitBreakers; stats cluster.<name>.circuit_breakers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dataplane.resilience.circuit import Breakers

if TYPE_CHECKING:
    from dataplane.base.counts import SharedCounts
    from dataplane.observe.stats import Scope
    from dataplane.resilience.circuit import RetryBudget
    from dataplane.snapshot.cluster import CircuitBreakerThresholds, Cluster

_PRIORITY_NAMES = ("default", "high")


def make_breakers(config: Cluster, scope: Scope, shared: SharedCounts | None) -> tuple[Breakers, ...]:
    """By routing priority.  scope: of the cluster.  shared: where other processes carry the cluster's traffic, too."""
    return tuple(
        Breakers(
            scope.scope(f"circuit_breakers.{name}."),
            *_limits(config.circuit_breakers[priority]),
            counts=None if shared is None else shared.breakers(config.name, priority),
        )
        for priority, name in enumerate(_PRIORITY_NAMES)
    )


def configure_breakers(breakers: tuple[Breakers, ...], config: Cluster) -> None:
    """Take new limits over."""
    for each, limits in zip(breakers, config.circuit_breakers, strict=True):
        each.configure(*_limits(limits))


def _limits(of: CircuitBreakerThresholds) -> tuple[int, int, int, int, bool, RetryBudget | None]:
    """In the order of Breakers.configure."""
    return of.max_connections, of.max_pending_requests, of.max_requests, of.max_retries, of.track_remaining, of.retry_budget


def thresholds_now(breakers: tuple[Breakers, ...], config: Cluster) -> tuple[CircuitBreakerThresholds, CircuitBreakerThresholds]:
    """As the admin endpoint shows them: with as many retries as a budget leaves room for."""
    default, high = (
        limits if limits.retry_budget is None else replace(limits, max_retries=each.max_retries)
        for each, limits in zip(breakers, config.circuit_breakers, strict=True)
    )
    return default, high
