"""`/clusters` over a main process and its workers."""

from __future__ import annotations

from dataclasses import replace

from dataplane.base.address import SocketAddress
from dataplane.server.workers.facts import merged_clusters
from dataplane.snapshot.cluster import CircuitBreakerThresholds, HealthStatus, Locality
from dataplane.upstream.facts import ClusterFacts, HostFacts

THRESHOLDS = (CircuitBreakerThresholds(), CircuitBreakerThresholds())


def host(port: int, requests: int = 0, flags: str = "healthy", rate: float = -1.0) -> HostFacts:
    address = SocketAddress("10.0.0.1", port)
    counters, gauges = {"rq_total": requests}, {"rq_active": requests}
    return HostFacts(address, "", counters, gauges, flags, HealthStatus.UNKNOWN, 1, Locality(), 0, success_rate=rate)


def cluster(name: str, *hosts: HostFacts) -> ClusterFacts:
    return ClusterFacts(name, name, False, THRESHOLDS, hosts)


def test_numbers_of_a_host_add_up() -> None:
    [merged] = merged_clusters([cluster("app", host(1))], [[cluster("app", host(1, 2))], [cluster("app", host(1, 3))]])
    [found] = merged.hosts
    assert found.counters == {"rq_total": 5}
    assert found.gauges == {"rq_active": 5}


def test_what_one_process_holds_against_a_host_is_shown() -> None:
    ejected = "/failed_active_hc/failed_outlier_check"
    [merged] = merged_clusters([cluster("app", host(1, flags="/failed_active_hc"))], [[cluster("app", host(1, flags=ejected))]])
    assert [each.health_flags for each in merged.hosts] == [ejected]


def test_success_rates_are_those_of_workers_that_have_one() -> None:
    [merged] = merged_clusters(
        [cluster("app", host(1))],
        [[cluster("app", host(1, rate=100.0))], [cluster("app", host(1, rate=50.0))], [cluster("app", host(1))]],
    )
    assert [each.success_rate for each in merged.hosts] == [75.0]


def test_hosts_that_only_a_worker_has_met_are_shown_and_clusters_of_which_the_main_process_knows_nothing_are_not() -> None:
    [merged] = merged_clusters([cluster("app")], [[cluster("app", host(1, 2)), cluster("gone", host(2))], []])
    assert [(each.address.text, each.counters["rq_total"]) for each in merged.hosts] == [("10.0.0.1:1", 2)]


def test_what_each_worker_dropped_adds_up() -> None:
    told = [[replace(cluster("app"), dropped=2, drop_overload=1)], [replace(cluster("app"), dropped=3, drop_overload=1)]]
    [merged] = merged_clusters([cluster("app")], told)
    assert (merged.dropped, merged.drop_overload) == (5, 2)
