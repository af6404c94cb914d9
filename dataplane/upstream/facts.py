"""What a live cluster tells about itself: plain values for the admin endpoint.  Envoy: admin.v3.ClusterStatus, HostStatus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dataplane.base.address import Address
from dataplane.snapshot.cluster import CircuitBreakerThresholds, HealthStatus, Locality


@dataclass(frozen=True, slots=True)
class HostFacts:
    """One host.  counters and gauges by Envoy's names (`cx_total`, `rq_active`), in the order Envoy prints them.

    health_flags: `healthy`, or the flags that speak against the host joined as Envoy prints them (`/failed_active_hc/eds_status_draining`).
    """

    address: Address
    hostname: str
    counters: Mapping[str, int]
    gauges: Mapping[str, int]
    health_flags: str
    eds_health_status: HealthStatus
    weight: int
    locality: Locality
    priority: int
    canary: bool = False
    success_rate: float = -1.0
    local_origin_success_rate: float = -1.0


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """One cluster.  thresholds: (default, high).

    dropped: requests that found no room in it or were dropped on its behalf.  drop_overload: the latter alone, drop_category says why.
    has_localities: false where hosts are met one by one and stand in no locality.
    """

    name: str
    observability_name: str
    added_via_api: bool
    thresholds: tuple[CircuitBreakerThresholds, CircuitBreakerThresholds]
    hosts: Sequence[HostFacts]
    eds_service_name: str = ""
    dropped: int = 0
    drop_overload: int = 0
    drop_category: str = ""
    has_localities: bool = True
