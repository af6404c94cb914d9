"""What a health discovery service asks us to check, as compiled.  Envoy: service.health.v3.{HealthCheckSpecifier, ClusterHealthCheck}."""

from __future__ import annotations

from dataclasses import dataclass

from dataplane.snapshot.cluster import Cluster


@dataclass(frozen=True, slots=True)
class HealthCheckSpecifier:
    """clusters: carry health checks and endpoints, no traffic; any number of checks.  interval: seconds between two reports."""

    clusters: tuple[Cluster, ...]
    interval: float
