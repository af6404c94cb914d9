"""Hosts and the host set of one priority: who is healthy, degraded, excluded.

Here: health as flags and what follows from them.  Not here: who sets the flags (EDS through upstream.cluster, health checks, outlier
detection), how load is spread (priority, locality, round_robin and its siblings).
Envoy: Upstream::Host, HostSet; intro/arch_overview/upstream/load_balancing/degraded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntFlag
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from dataplane.base.address import Address


class HealthFlag(IntFlag):
    """Why a host is not (fully) healthy.  Envoy: Host::HealthFlag; the names are those of the admin endpoint."""

    FAILED_ACTIVE_HC = 1
    FAILED_OUTLIER_CHECK = 2
    FAILED_EDS_HEALTH = 4
    DEGRADED_ACTIVE_HC = 8
    DEGRADED_EDS_HEALTH = 16
    PENDING_DYNAMIC_REMOVAL = 32
    PENDING_ACTIVE_HC = 64
    EXCLUDED_VIA_IMMEDIATE_HC_FAIL = 128
    ACTIVE_HC_TIMEOUT = 256
    EDS_STATUS_DRAINING = 512


# Plain numbers: an IntFlag operation costs a microsecond, and these are asked for every host at every change.
_UNHEALTHY: Final = int(
    HealthFlag.FAILED_ACTIVE_HC | HealthFlag.FAILED_OUTLIER_CHECK | HealthFlag.FAILED_EDS_HEALTH | HealthFlag.EDS_STATUS_DRAINING
)
_DEGRADED: Final = int(HealthFlag.DEGRADED_ACTIVE_HC | HealthFlag.DEGRADED_EDS_HEALTH)
_EXCLUDED: Final = int(HealthFlag.PENDING_ACTIVE_HC | HealthFlag.EXCLUDED_VIA_IMMEDIATE_HC_FAIL | HealthFlag.EDS_STATUS_DRAINING)

# The part of the flags that EDS sets, by the number of config.core.v3.HealthStatus.
EDS_FLAGS: Final[Mapping[int, int]] = MappingProxyType(
    {
        0: 0,  # UNKNOWN
        1: 0,  # HEALTHY
        2: int(HealthFlag.FAILED_EDS_HEALTH),  # UNHEALTHY
        3: int(HealthFlag.EDS_STATUS_DRAINING),  # DRAINING
        4: int(HealthFlag.FAILED_EDS_HEALTH),  # TIMEOUT
        5: int(HealthFlag.DEGRADED_EDS_HEALTH),  # DEGRADED
    }
)
ALL_EDS_FLAGS: Final = int(HealthFlag.FAILED_EDS_HEALTH | HealthFlag.EDS_STATUS_DRAINING | HealthFlag.DEGRADED_EDS_HEALTH)


class Host:
    """An endpoint with its live state.  The request path counts on it directly."""

    __slots__ = ("address", "flags", "hostname", "metadata", "rq_active", "weight")

    def __init__(self, address: Address, hostname: str = "", weight: int = 1, flags: int = 0) -> None:
        self.address = address
        self.hostname = hostname
        self.weight = weight
        self.flags = flags  # bits of HealthFlag
        self.rq_active = 0
        self.metadata: Mapping[str, object] = {}  # by namespace

    @property
    def is_healthy(self) -> bool:
        return not self.flags & (_UNHEALTHY | _DEGRADED)

    @property
    def is_degraded(self) -> bool:
        return not self.flags & _UNHEALTHY and bool(self.flags & _DEGRADED)

    @property
    def is_excluded(self) -> bool:
        """Neither counted for nor against the health of its priority: it was never checked, or is leaving."""
        return bool(self.flags & _EXCLUDED)

    def describe_health(self) -> str:
        """`healthy`, or every flag as the admin endpoint prints it."""
        names = [f"/{flag.name.lower()}" for flag in HealthFlag if self.flags & flag and flag.name]
        return "".join(names) or "healthy"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.address} {self.describe_health()} rq_active={self.rq_active}>"


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
        healthy=tuple(host for host in hosts if not host.flags & (_UNHEALTHY | _DEGRADED)),
        degraded=tuple(host for host in hosts if host.flags & _DEGRADED and not host.flags & _UNHEALTHY),
        excluded=sum(1 for host in hosts if host.flags & _EXCLUDED),
        overprovisioning_factor=overprovisioning_factor,
    )
