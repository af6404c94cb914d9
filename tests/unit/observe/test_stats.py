from __future__ import annotations

import tracemalloc

from dataplane.observe.stats import StatsStore


def names(store: StatsStore) -> set[str]:
    return {*store.counters, *store.gauges, *store.histograms, *store.text_readouts}


def test_asking_twice_gives_the_same_object() -> None:
    store = StatsStore()
    scope = store.scope("cluster.a.")
    assert scope.counter("x") is store.scope("cluster.a.").counter("x") is store.counter("cluster.a.x")
    assert scope.gauge("x") is scope.gauge("x")
    assert scope.histogram("x") is scope.histogram("x")
    assert scope.text_readout("x") is scope.text_readout("x")
    assert scope.scope("b.").counter("y") is store.counter("cluster.a.b.y")


def test_dropping_a_scope_forgets_what_was_made_below_it_by_anybody() -> None:
    store = StatsStore()
    owner = store.scope("cluster.a.")
    owner.counter("x")
    owner.gauge("x")
    owner.histogram("x")
    owner.text_readout("x")
    owner.scope("breakers.").gauge("y")
    store.scope("cluster.a.").counter("by another part")
    store.scope("cluster.a.b.").counter("of a cluster that is called a.b")
    store.scope("cluster.aa.").counter("x")
    owner.drop()
    assert names(store) == {"cluster.aa.x", "cluster.a.b.of a cluster that is called a.b"}
    assert owner.counter("x").value == 0
    assert "cluster.a.x" in names(store)


def test_dropping_a_part_of_a_scope() -> None:
    store = StatsStore()
    owner = store.scope("listener.a.")
    owner.counter("x")
    part = owner.scope("http.")
    part.counter("y")
    part.drop()
    assert names(store) == {"listener.a.x"}
    owner.drop()
    assert names(store) == set()


def test_dropping_by_prefix_looks_at_every_name() -> None:
    store = StatsStore()
    store.counter("a.x")
    store.scope("a.").gauge("y")
    store.counter("b.x")
    store.drop("a.")
    assert names(store) == {"b.x"}


def test_a_hidden_stat_lives_for_its_owner_and_is_shown_nowhere() -> None:
    store = StatsStore()
    early = store.counter("server.early")
    kept = store.counter("cluster.a.kept")
    store.hide(lambda name: not name.startswith("cluster.") or name.endswith(".no"))
    scope = store.scope("cluster.a.")
    hidden = [scope.counter("no"), scope.gauge("no"), scope.histogram("no"), scope.text_readout("no")]
    assert names(store) == {"cluster.a.kept"}
    assert store.counter("server.early") is early
    assert store.counter("cluster.a.kept") is kept
    assert [scope.counter("no"), scope.gauge("no"), scope.histogram("no"), scope.text_readout("no")] == hidden


def test_hidden_stats_are_forgotten_with_their_owner() -> None:
    store = StatsStore()
    store.hide(lambda name: True)
    scope = store.scope("cluster.a.")
    first = scope.counter("x")
    scope.drop()
    second = scope.counter("x")
    assert second is not first
    store.drop("cluster.")
    assert scope.counter("x") is not second


def test_of_a_scope_that_was_dropped_nothing_is_left() -> None:
    """Names of clusters come and go for as long as a proxy lives."""
    stats = StatsStore()

    def come_and_go(number: int) -> None:
        scope = stats.scope(f"cluster.c-{number}.")
        for index in range(100):
            scope.scope("inner.").counter(f"counter-{index}").inc()
        scope.drop()

    come_and_go(0)
    tracemalloc.start()
    try:
        for number in range(1, 100):
            come_and_go(number)
        assert tracemalloc.get_traced_memory()[0] < 20_000
    finally:
        tracemalloc.stop()


def test_what_is_made_after_a_drop_goes_with_the_next() -> None:
    stats = StatsStore()
    late, other = stats.scope("cluster.c."), stats.scope("cluster.c.")
    late.counter("a").inc()
    late.drop()
    late.counter("b").inc()
    other.drop()
    assert not stats.counters
