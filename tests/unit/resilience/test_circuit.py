from __future__ import annotations

from dataplane.observe.stats import StatsStore
from dataplane.resilience.circuit import Breakers, RetryBudget


def breakers(store: StatsStore, *, track_remaining: bool = False) -> Breakers:
    return Breakers(store.scope("b."), connections=2, pending=1, requests=3, retries=0, track_remaining=track_remaining)


def test_a_resource_is_open_at_its_limit() -> None:
    store = StatsStore()
    connections = breakers(store).connections
    connections.inc()
    assert connections.can_create()
    assert store.gauge("b.cx_open").value == 0
    connections.inc()
    assert not connections.can_create()
    assert store.gauge("b.cx_open").value == 1
    connections.dec()
    assert connections.can_create()
    assert store.gauge("b.cx_open").value == 0


def test_a_limit_may_change_under_what_is_in_use() -> None:
    store = StatsStore()
    limits = breakers(store)
    limits.requests.inc()
    limits.requests.inc()
    limits.configure(2, 1, 1, 0, track_remaining=False)
    assert not limits.requests.can_create()
    assert store.gauge("b.rq_open").value == 1
    limits.configure(2, 1, 5, 0, track_remaining=True)
    assert limits.requests.can_create()
    assert store.gauge("b.rq_open").value == 0
    assert store.gauge("b.remaining_rq").value == 3


def test_what_remains_is_shown_where_it_is_tracked() -> None:
    store = StatsStore()
    limits = breakers(store, track_remaining=True)
    limits.connections.inc()
    assert store.gauge("b.remaining_cx").value == 1
    limits.connections.dec()
    assert store.gauge("b.remaining_cx").value == 2
    assert store.gauge("b.remaining_retries").value == 0


def test_nothing_allowed_is_not_shown_as_open_while_nothing_is_in_use() -> None:
    store = StatsStore()
    assert not breakers(store).retries.can_create()
    assert store.gauge("b.rq_retry_open").value == 0


def test_a_budget_of_retries_is_a_share_of_what_is_under_way() -> None:
    store = StatsStore()
    limits = Breakers(store.scope("b."), 9, 9, 99, 7, track_remaining=True, budget=RetryBudget(0.2, 2))
    assert store.gauge("b.remaining_retries").value == 7
    assert limits.max_retries == 2
    assert store.gauge("b.remaining_retries").value == 0
    for _ in range(2):
        assert limits.may_retry()
        limits.retries.inc()
    assert not limits.may_retry()
    assert store.gauge("b.rq_retry_open").value == 1
    for _ in range(14):
        limits.requests.inc()
    assert not limits.may_retry()
    limits.pending.inc()
    assert limits.may_retry()
    assert limits.max_retries == 3
    limits.configure(9, 9, 99, 1, track_remaining=False)
    assert not limits.may_retry()
    assert limits.max_retries == 1
