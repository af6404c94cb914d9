"""Hosts and the host set of one priority: who is healthy, degraded, excluded.

Here: health as flags and what follows from them.  Not here: who sets the flags (EDS through upstream.cluster, health checks, outlier
detection), how load is spread (priority, locality, round_robin and its siblings).
Envoy: Upstream::Host, HostSet; intro/arch_overview/upstream/load_balancing/degraded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from dataplane.balancing.host import ALL_EDS_FLAGS, DEGRADED, EDS_FLAGS, EXCLUDED, UNHEALTHY, HealthFlag, Host

__all__ = ["ALL_EDS_FLAGS", "EDS_FLAGS", "HealthFlag", "Host", "HostSet", "HostT", "LocalityHosts", "host_set"]

HostT = TypeVar("HostT", bound=Host)


@dataclass(frozen=True, slots=True)
class LocalityHosts(Generic[HostT]):
    """The hosts of one locality within one priority.  weight 0: none was given, no traffic where localities are weighted."""

    hosts: tuple[HostT, ...]
    weight: int = 0


@dataclass(frozen=True, slots=True)
class HostSet(Generic[HostT]):
    """The hosts of one priority as they stand.  Made anew whenever membership, weight or health changes."""

    localities: tuple[LocalityHosts[HostT], ...]
    hosts: tuple[HostT, ...]
    healthy: tuple[HostT, ...]
    degraded: tuple[HostT, ...]
    excluded: int
    overprovisioning_factor: int = 140

    @property
    def counted(self) -> int:
        """How many hosts count for the health of this priority."""
        return len(self.hosts) - self.excluded


def host_set(localities: Sequence[LocalityHosts[HostT]], overprovisioning_factor: int = 140) -> HostSet[HostT]:
    """Sort the hosts of *localities* by their health."""
    hosts = tuple(host for locality in localities for host in locality.hosts)
    return HostSet(
        localities=tuple(localities),
        hosts=hosts,
        healthy=tuple(host for host in hosts if not host.flags & (UNHEALTHY | DEGRADED)),
        degraded=tuple(host for host in hosts if host.flags & DEGRADED and not host.flags & UNHEALTHY),
        excluded=sum(1 for host in hosts if host.flags & EXCLUDED),
        overprovisioning_factor=overprovisioning_factor,
    )
