"""A live host: an endpoint with its counters and its pools, which survive every change of configuration that keeps the address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataplane.balancing.hosts import Host
from dataplane.snapshot.cluster import HealthStatus, Locality
from dataplane.upstream.facts import HostFacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataplane.api.upstream import HostMonitor
    from dataplane.base.address import Address
    from dataplane.snapshot.introduced_socket import AddedTlv
    from dataplane.upstream.auto_names import Names
    from dataplane.upstream.pools import Pool

SLOTS = 6
"""How many pools a host may have without a name: two routing priorities for each of upstream.pools.FIRST_SLOTS."""

_NOWHERE = Locality()


class UpstreamHost(Host):
    """What the pools and the router count for one host.  pools, named_pools: see upstream.pools, auto_names; made on first use."""

    __slots__ = (
        "added_tlvs",
        "canary",
        "cx_active",
        "cx_connect_fail",
        "cx_total",
        "eds_health_status",
        "health_check_disabled",
        "health_check_hostname",
        "health_check_port",
        "local_origin_success_rate",
        "locality",
        "locality_metadata",
        "monitor",
        "named_pools",
        "pools",
        "priority",
        "rq_error",
        "rq_pending_active",
        "rq_success",
        "rq_timeout",
        "rq_total",
        "success_rate",
    )

    def __init__(
        self, address: Address, hostname: str = "", weight: int = 1, locality: Locality = _NOWHERE, priority: int = 0
    ) -> None:
        super().__init__(address, hostname, weight)
        self.locality = locality
        self.priority = priority
        self.locality_metadata: Mapping[str, object] = {}
        self.added_tlvs: tuple[AddedTlv, ...] = ()
        self.canary = False
        self.eds_health_status = HealthStatus.UNKNOWN
        self.health_check_port = 0
        self.health_check_hostname = ""
        self.health_check_disabled = False
        self.monitor: HostMonitor | None = None
        self.pools: list[Pool | None] = [None] * SLOTS
        self.named_pools: dict[tuple[int, Names], Pool] = {}
        self.cx_total = 0
        self.cx_active = 0
        self.cx_connect_fail = 0
        self.rq_total = 0
        self.rq_pending_active = 0
        self.rq_success = 0
        self.rq_error = 0
        self.rq_timeout = 0
        self.success_rate = -1.0  # of the last interval of outlier detection: per cent, -1 where too few requests came
        self.local_origin_success_rate = -1.0

    def facts(self) -> HostFacts:
        """As the admin endpoint's `/clusters` shows it, names and order Envoy's."""
        return HostFacts(
            address=self.address,
            hostname=self.hostname,
            counters={
                "cx_connect_fail": self.cx_connect_fail,
                "cx_total": self.cx_total,
                "rq_error": self.rq_error,
                "rq_success": self.rq_success,
                "rq_timeout": self.rq_timeout,
                "rq_total": self.rq_total,
            },
            gauges={"cx_active": self.cx_active, "rq_active": self.rq_active, "rq_pending_active": self.rq_pending_active},
            health_flags=self.describe_health(),
            eds_health_status=self.eds_health_status,
            weight=self.weight,
            locality=self.locality,
            priority=self.priority,
            canary=self.canary,
            success_rate=self.success_rate,
            local_origin_success_rate=self.local_origin_success_rate,
        )
