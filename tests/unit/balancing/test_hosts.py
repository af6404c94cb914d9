from __future__ import annotations

import pytest

from dataplane.balancing.hosts import EDS_FLAGS, HealthFlag, Host, LocalityHosts, host_set
from dataplane.base.address import SocketAddress

ADDRESS = SocketAddress("10.0.0.1", 80)


@pytest.mark.parametrize(
    ("flags", "healthy", "degraded", "excluded"),
    [
        (0, True, False, False),
        (HealthFlag.FAILED_ACTIVE_HC, False, False, False),
        (HealthFlag.FAILED_OUTLIER_CHECK, False, False, False),
        (HealthFlag.FAILED_EDS_HEALTH, False, False, False),
        (HealthFlag.DEGRADED_ACTIVE_HC, False, True, False),
        (HealthFlag.DEGRADED_EDS_HEALTH, False, True, False),
        (HealthFlag.DEGRADED_EDS_HEALTH | HealthFlag.FAILED_OUTLIER_CHECK, False, False, False),
        (HealthFlag.EDS_STATUS_DRAINING, False, False, True),
        (HealthFlag.PENDING_ACTIVE_HC, True, False, True),
        (HealthFlag.EXCLUDED_VIA_IMMEDIATE_HC_FAIL, True, False, True),
    ],
)
def test_health_follows_from_the_flags(flags: int, healthy: bool, degraded: bool, excluded: bool) -> None:
    host = Host(ADDRESS, flags=int(flags))
    assert (host.is_healthy, host.is_degraded, host.is_excluded) == (healthy, degraded, excluded)
    hosts = host_set([LocalityHosts((host,))])
    assert (hosts.healthy == (host,), hosts.degraded == (host,), hosts.excluded == 1) == (healthy, degraded, excluded)
    assert hosts.counted == 1 - excluded


def test_flags_as_the_admin_endpoint_prints_them() -> None:
    assert Host(ADDRESS).describe_health() == "healthy"
    both = int(HealthFlag.FAILED_ACTIVE_HC | HealthFlag.EDS_STATUS_DRAINING)
    assert Host(ADDRESS, flags=both).describe_health() == "/failed_active_hc/eds_status_draining"
    assert "10.0.0.1:80 /failed_active_hc" in repr(Host(ADDRESS, flags=1))


def test_the_health_status_of_eds() -> None:
    statuses = [Host(ADDRESS, flags=EDS_FLAGS[number]).describe_health() for number in range(6)]
    assert statuses == [
        "healthy",
        "healthy",
        "/failed_eds_health",
        "/eds_status_draining",
        "/failed_eds_health",
        "/degraded_eds_health",
    ]
