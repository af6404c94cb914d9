"""Single priorities of a cluster, for retries: health counts as it does for all of them together."""

from __future__ import annotations

from dataplane.balancing.hosts import HealthFlag, LocalityHosts, host_set
from dataplane.base.address import SocketAddress
from dataplane.observe.stats import StatsStore
from dataplane.snapshot.cluster import Cluster, DiscoveryType
from dataplane.upstream.balancers import Balancers
from dataplane.upstream.cluster_stats import ClusterStats
from dataplane.upstream.host import UpstreamHost

UNHEALTHY = int(HealthFlag.FAILED_ACTIVE_HC)


def host(port: int, flags: int = 0) -> UpstreamHost:
    made = UpstreamHost(SocketAddress("127.0.0.1", port))
    made.flags = flags
    return made


def picked(priority: int, *priorities: tuple[UpstreamHost, ...]) -> set[UpstreamHost | None]:
    """Whom ten requests for *priority* get."""
    balancers = Balancers(ClusterStats(StatsStore().scope("cluster.c.")), lambda: 0.0)
    sets = [host_set([LocalityHosts(hosts)]) for hosts in priorities]
    single = balancers.single_priorities(Cluster("c", DiscoveryType.STATIC), sets)
    loads = [100 if each == priority else 0 for each in range(len(priorities))]
    return {single.pick(loads, None) for _ in range(10)}


def test_healthy_hosts_while_there_are_enough_of_them_somewhere() -> None:
    well, ill = host(2), [host(port, UNHEALTHY) for port in (3, 4, 5)]
    assert picked(1, (host(1),), (well, *ill)) == {well}


def test_anybody_in_panic() -> None:
    well, ill = host(2), [host(port, UNHEALTHY) for port in (3, 4, 5)]
    assert picked(1, (host(1, UNHEALTHY),), (well, *ill)) == {well, *ill}


def test_nobody_of_a_priority_without_hosts() -> None:
    assert picked(1, (host(1),), ()) == {None}
    assert (
        Balancers(ClusterStats(StatsStore().scope("c.")), lambda: 0.0)
        .single_priorities(Cluster("c", DiscoveryType.STATIC), [])
        .availability
        == ()
    )
