"""What a worker reports, and what the reports of all become together."""

from __future__ import annotations

import asyncio
import pickle

from dataplane.observe.stats import StatsStore
from dataplane.server.sums import Sums
from dataplane.server.workers.merge import WorkerStats
from dataplane.server.workers.report import Reporter


def reported(*stores: StatsStore) -> list[WorkerStats]:
    """What the main process knows after one report of each."""
    found = []
    for store in stores:
        stats = WorkerStats()
        stats.take(pickle.loads(pickle.dumps(asyncio.run(Reporter(store).report(connections=3)))))
        found.append(stats)
    return found


def test_counters_and_gauges_of_traffic_add_up() -> None:
    own, one, other = StatsStore(), StatsStore(), StatsStore()
    for store, amount in ((own, 0), (one, 2), (other, 5)):
        store.counter("cluster.app.upstream_rq_total").inc(amount)
        store.gauge("cluster.app.upstream_cx_active").inc(amount)
    one.counter("http.edge.only_here").inc()
    sums = Sums(own, lambda: reported(one, other))
    sums.sum_up()
    assert sums.shown.counters["cluster.app.upstream_rq_total"].value == 7
    assert sums.shown.gauges["cluster.app.upstream_cx_active"].value == 7
    assert sums.shown.gauges["cluster.app.upstream_cx_active"].used
    assert sums.shown.counters["http.edge.only_here"].value == 1


def test_what_describes_the_configuration_is_the_main_process_s() -> None:
    own, worker = StatsStore(), StatsStore()
    for store in (own, worker):
        store.gauge("cluster.app.membership_total").set(4)
        store.gauge("cluster_manager.active_clusters").set(9)
        store.counter("cluster.app.membership_change").inc()
        store.counter("listener_manager.listener_added").inc()
    worker.counter("server.internal_error").inc()
    sums = Sums(own, lambda: reported(worker, worker))
    sums.sum_up()
    shown = sums.shown
    assert shown.gauges["cluster.app.membership_total"].value == 4
    assert shown.gauges["cluster_manager.active_clusters"].value == 9
    assert shown.counters["cluster.app.membership_change"].value == 1
    assert shown.counters["listener_manager.listener_added"].value == 1
    assert shown.counters["server.internal_error"].value == 2


def test_the_worst_health_is_shown_and_of_breakers_what_the_main_process_sees() -> None:
    own, one, other = StatsStore(), StatsStore(), StatsStore()
    for store, healthy, is_open in ((own, 3, 1), (one, 3, 0), (other, 2, 0)):
        store.gauge("cluster.app.membership_healthy").set(healthy)
        store.gauge("cluster.app.circuit_breakers.default.rq_open").set(is_open)
    sums = Sums(own, lambda: reported(one, other))
    sums.sum_up()
    assert sums.shown.gauges["cluster.app.membership_healthy"].value == 2
    assert sums.shown.gauges["cluster.app.circuit_breakers.default.rq_open"].value == 1


def test_hosts_that_only_workers_know_are_shown() -> None:
    """As of an ORIGINAL_DST cluster."""
    own, one, other = StatsStore(), StatsStore(), StatsStore()
    for store, hosts in ((own, 0), (one, 0), (other, 1)):
        store.counter("cluster.app.membership_change").inc(hosts)
        store.gauge("cluster.app.membership_total").set(hosts)
        store.gauge("cluster.app.membership_healthy").set(hosts)
    sums = Sums(own, lambda: reported(one, other))
    sums.sum_up()
    assert sums.shown.counters["cluster.app.membership_change"].value == 1
    assert sums.shown.gauges["cluster.app.membership_total"].value == 1
    assert sums.shown.gauges["cluster.app.membership_healthy"].value == 1


def test_a_ring_that_everybody_builds_is_one_ring() -> None:
    own, worker = StatsStore(), StatsStore()
    for store in (own, worker):
        store.gauge("cluster.app.ring_hash_lb.size").set(1024)
        store.gauge("cluster.app.maglev_lb.max_entries_per_host").set(125)
        store.counter("cluster.app.lb_subsets_created").inc(4)
    sums = Sums(own, lambda: reported(worker, worker))
    sums.sum_up()
    assert sums.shown.gauges["cluster.app.ring_hash_lb.size"].value == 1024
    assert sums.shown.gauges["cluster.app.maglev_lb.max_entries_per_host"].value == 125
    assert sums.shown.counters["cluster.app.lb_subsets_created"].value == 4


def test_histograms_are_merged() -> None:
    own, one, other = StatsStore(), StatsStore(), StatsStore()
    for store, values in ((one, (1, 1, 250)), (other, (1, 3))):
        histogram = store.histogram("http.edge.downstream_rq_time")
        for value in values:
            histogram.record(value)
    other.flush()
    sums = Sums(own, lambda: reported(one, other))
    sums.sum_up()
    merged = sums.shown.histograms["http.edge.downstream_rq_time"]
    assert merged.counts == {1: 3, 3: 1, 250: 1}
    assert merged.total == 256
    assert merged.interval == {1: 1, 3: 1}
    assert merged.unit == "ms"


def test_a_report_tells_only_what_changed_and_what_is_gone() -> None:
    async def scenario() -> None:
        store = StatsStore()
        scope = store.scope("cluster.app.")
        scope.counter("a").inc()
        scope.counter("b")
        store.text_readout("version").set("1")
        reporter = Reporter(store)
        first = await reporter.report(0)
        assert first.counters == {"cluster.app.a": 1, "cluster.app.b": 0}
        assert first.texts == {"version": ("1", True)}
        assert first.resident > 0
        scope.counter("a").inc()
        second = await reporter.report(7)
        assert (second.counters, second.texts, second.gone, second.connections) == ({"cluster.app.a": 2}, {}, (), 7)
        scope.drop()
        third = await reporter.report(0)
        assert sorted(third.gone) == ["cluster.app.a", "cluster.app.b"]
        assert (await reporter.report(0)).gone == ()

    asyncio.run(scenario())


def test_what_is_gone_from_a_worker_is_not_shown() -> None:
    async def scenario() -> None:
        store, stats = StatsStore(), WorkerStats()
        store.scope("cluster.app.").counter("upstream_rq_total").inc()
        reporter = Reporter(store)
        stats.take(await reporter.report(0))
        store.scope("cluster.app.").drop()
        stats.take(await reporter.report(0))
        sums = Sums(StatsStore(), lambda: [stats])
        sums.sum_up()
        assert not sums.shown.counters

    asyncio.run(scenario())


def test_counts_of_the_departed_stay_until_they_are_reset() -> None:
    dead = StatsStore()
    dead.counter("http.edge.downstream_rq_total").inc(5)
    dead.gauge("http.edge.downstream_cx_active").inc(5)
    dead.histogram("time").record(1)
    departed = WorkerStats()
    for stats in reported(dead, dead):
        departed.add_counts(stats)
    sums = Sums(StatsStore(), departed=departed)
    sums.sum_up()
    assert sums.shown.counters["http.edge.downstream_rq_total"].value == 10
    assert sums.shown.histograms["time"].count == 2
    assert not sums.shown.gauges
    sums.reset_counters()
    sums.sum_up()
    assert sums.shown.counters["http.edge.downstream_rq_total"].value == 0


def test_the_predecessor_s_counters_go_on_and_its_gauges_end_with_it() -> None:
    own = StatsStore()
    own.counter("listener_manager.listener_added").inc()
    own.gauge("http.edge.downstream_cx_active").inc(2)
    sums = Sums(own)
    gauges = {"http.edge.downstream_cx_active": 3, "server.total_connections": 3}
    sums.take_predecessor({"counters": {"listener_manager.listener_added": 4, "old": 1}, "gauges": gauges})
    sums.sum_up()
    assert sums.shown.counters["listener_manager.listener_added"].value == 5
    assert sums.shown.counters["old"].value == 1
    assert sums.shown.gauges["http.edge.downstream_cx_active"].value == 5
    assert sums.predecessor_connections == 3
    sums.take_predecessor({"gauges": {}})
    sums.sum_up()
    assert sums.shown.counters["listener_manager.listener_added"].value == 5
    assert sums.shown.gauges["http.edge.downstream_cx_active"].value == 2


def test_a_reset_forgets_what_the_predecessor_had_counted_until_then() -> None:
    own = StatsStore()
    sums = Sums(own)
    sums.take_predecessor({"counters": {"rq": 10}})
    sums.reset_counters()
    sums.take_predecessor({"counters": {"rq": 12}})
    sums.sum_up()
    assert sums.shown.counters["rq"].value == 2
