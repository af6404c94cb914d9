"""A host as the balancers see it: an endpoint with its live state, and what its health flags mean."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntFlag
from types import MappingProxyType
from typing import Final

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
UNHEALTHY: Final = int(
    HealthFlag.FAILED_ACTIVE_HC | HealthFlag.FAILED_OUTLIER_CHECK | HealthFlag.FAILED_EDS_HEALTH | HealthFlag.EDS_STATUS_DRAINING
)
DEGRADED: Final = int(HealthFlag.DEGRADED_ACTIVE_HC | HealthFlag.DEGRADED_EDS_HEALTH)
EXCLUDED: Final = int(HealthFlag.PENDING_ACTIVE_HC | HealthFlag.EXCLUDED_VIA_IMMEDIATE_HC_FAIL | HealthFlag.EDS_STATUS_DRAINING)

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
        return not self.flags & (UNHEALTHY | DEGRADED)

    @property
    def is_degraded(self) -> bool:
        return not self.flags & UNHEALTHY and bool(self.flags & DEGRADED)

    @property
    def is_excluded(self) -> bool:
        """Neither counted for nor against the health of its priority: it was never checked, or is leaving."""
        return bool(self.flags & EXCLUDED)

    def describe_health(self) -> str:
        """`healthy`, or every flag as the admin endpoint prints it."""
        names = [f"/{flag.name.lower()}" for flag in HealthFlag if self.flags & flag and flag.name]
        return "".join(names) or "healthy"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.address} {self.describe_health()} rq_active={self.rq_active}>"
