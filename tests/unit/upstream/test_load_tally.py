from __future__ import annotations

from collections.abc import Mapping

from dataplane.base.address import SocketAddress
from dataplane.snapshot.cluster import CircuitBreakerThresholds, HealthStatus, Locality
from dataplane.upstream.facts import ClusterFacts, HostFacts
from dataplane.upstream.load_tally import ClusterLoad, Load, LoadTally, LocalityLoad

THRESHOLDS = (CircuitBreakerThresholds(), CircuitBreakerThresholds())
A, B = Locality("r", "a"), Locality("r", "b")


def host(port: int, load: Load, locality: Locality = A, priority: int = 0) -> HostFacts:
    counters = {"rq_success": load.succeeded, "rq_error": load.failed, "rq_total": load.issued}
    gauges = {"rq_active": load.active}
    address = SocketAddress("10.0.0.1", port)
    return HostFacts(address, "", counters, gauges, "healthy", HealthStatus.UNKNOWN, 1, locality, priority)


def known(*hosts: HostFacts, dropped: int = 0, drop_overload: int = 0, has_localities: bool = True) -> Mapping[str, ClusterFacts]:
    facts = ClusterFacts(
        "c", "c", False, THRESHOLDS, hosts, "service", dropped, drop_overload, "busy", has_localities=has_localities
    )
    return {"c": facts}


def followed(clusters: Mapping[str, ClusterFacts], now: float = 0.0) -> LoadTally:
    tally = LoadTally()
    tally.follow(("c",), clusters, now)
    return tally


def only_load(tally: LoadTally, clusters: Mapping[str, ClusterFacts], now: float = 1.0) -> ClusterLoad:
    [load] = tally.report(clusters, now)
    return load


def total(load: ClusterLoad) -> Load:
    [locality] = load.localities
    return locality.load


def test_what_was_counted_since_the_last_report_is_reported_once() -> None:
    tally = followed(known(host(1, Load(5, 1, 7, 1)), dropped=4, drop_overload=3), 10.0)
    now = known(host(1, Load(8, 2, 12, 2)), dropped=6, drop_overload=4)
    address, load = SocketAddress("10.0.0.1", 1), Load(3, 1, 5, 2)
    locality = LocalityLoad(A, 0, load, ((address, load),))
    assert tally.report(now, 12.5) == [ClusterLoad("c", "service", (locality,), 2, 1, "busy", 2.5)]
    assert tally.report(now, 13.0) == [
        ClusterLoad("c", "service", (LocalityLoad(A, 0, Load(active=2), ((address, Load(active=2)),)),), 0, 0, "busy", 0.5)
    ]


def test_hosts_add_up_by_locality_and_priority_and_those_without_a_load_are_left_out() -> None:
    tally = followed(known())
    one = Load(1, 0, 1, 0)
    hosts = (host(5, one, A, 1), host(1, one, B), host(2, Load(0, 1, 1, 0)), host(3, Load(0, 0, 1, 1)), host(4, Load(), B))
    found = only_load(tally, known(*hosts, host(6, Load(), Locality("r", "c"))))
    assert [(each.locality, each.priority, each.load, len(each.hosts)) for each in found.localities] == [
        (A, 0, Load(0, 1, 2, 1), 2),
        (B, 0, one, 1),
        (A, 1, one, 1),
    ]


def test_a_cluster_without_localities_reports_what_it_dropped() -> None:
    tally = followed(known(has_localities=False))
    found = only_load(tally, known(host(1, Load(1, 0, 1, 0)), dropped=2, has_localities=False))
    assert (found.localities, found.dropped) == ((), 2)


def test_a_cluster_that_comes_later_reports_all_it_did_since_it_was_named() -> None:
    tally = followed({}, 1.0)
    assert tally.report({}, 2.0) == []
    found = only_load(tally, known(host(1, Load(2, 0, 2, 0)), dropped=1), 4.0)
    assert (total(found), found.dropped, found.seconds) == (Load(2, 0, 2, 0), 1, 3.0)


def test_a_cluster_that_was_gone_at_a_report_counts_from_nothing() -> None:
    tally = followed(known(host(1, Load(9, 0, 9, 0))))
    assert tally.report({}, 1.0) == []
    assert total(only_load(tally, known(host(1, Load(2, 0, 2, 0))))) == Load(2, 0, 2, 0)


def test_to_name_a_cluster_again_does_not_begin_its_period_anew() -> None:
    tally = followed(known(host(1, Load(1, 0, 1, 0))), 1.0)
    tally.follow(("c",), known(host(1, Load(3, 0, 3, 0))), 2.0)
    found = only_load(tally, known(host(1, Load(4, 0, 4, 0))), 5.0)
    assert (total(found), found.seconds) == (Load(3, 0, 3, 0), 4.0)


def test_what_happened_while_a_cluster_was_not_followed_is_not_reported() -> None:
    tally = followed(known(host(1, Load(1, 0, 1, 0))))
    tally.follow((), known(), 1.0)
    assert tally.report(known(host(1, Load(3, 0, 3, 0))), 2.0) == []
    tally.follow(("c",), known(host(1, Load(3, 0, 3, 0))), 3.0)
    assert total(only_load(tally, known(host(1, Load(4, 0, 4, 0))))) == Load(1, 0, 1, 0)


def test_counts_that_fell_with_a_worker_are_not_a_load() -> None:
    tally = followed(known(host(1, Load(9, 9, 20, 0)), dropped=5, drop_overload=5))
    found = only_load(tally, known(host(1, Load(4, 4, 9, 0)), dropped=2, drop_overload=2))
    assert (found.localities, found.dropped, found.drop_overload) == ((), 0, 0)
    assert total(only_load(tally, known(host(1, Load(6, 4, 11, 0))))) == Load(2, 0, 2, 0)
