"""Balancers against their weights."""

from __future__ import annotations

from collections import Counter as Tally

from hypothesis import given
from hypothesis import strategies as st

from dataplane.balancing import policies
from dataplane.balancing.edf import EdfScheduler
from dataplane.balancing.hosts import HealthFlag, Host, LocalityHosts, host_set
from dataplane.balancing.priority import choose, spread
from dataplane.base.address import SocketAddress

WEIGHTS = st.lists(st.integers(1, 20), min_size=1, max_size=8)
FLAGS = st.sampled_from([0, 0, *map(int, HealthFlag)])


def hosts(weights: list[int]) -> tuple[Host, ...]:
    return tuple(Host(SocketAddress("10.0.0.1", port), str(port), weight) for port, weight in enumerate(weights))


@given(WEIGHTS, st.floats(0, 0.999))
def test_a_full_turn_of_round_robin_is_the_weights(weights: list[int], start: float) -> None:
    pick = policies.round_robin(lambda: start)(hosts(weights))
    turns = 3
    found = Tally(pick(None).hostname for _ in range(turns * sum(weights)))  # type: ignore[union-attr]
    for port, weight in enumerate(weights):
        expected = turns * (sum(weights) / len(weights) if len(set(weights)) == 1 else weight)
        assert abs(found[str(port)] - expected) <= 2


@given(WEIGHTS)
def test_at_no_time_is_anybody_far_from_its_share(weights: list[int]) -> None:
    scheduler = EdfScheduler(range(len(weights)), lambda index: weights[index])
    found: Tally[int] = Tally()
    for count in range(1, 2 * sum(weights) + 1):
        found[scheduler.pick()] += 1
        for index, weight in enumerate(weights):
            assert abs(found[index] - count * weight / sum(weights)) <= len(weights)


@given(st.lists(st.lists(FLAGS, max_size=6), min_size=1, max_size=4), st.integers(0, 100), st.integers(1, 300))
def test_loads_always_add_up(priorities: list[list[int]], panic_threshold: int, factor: int) -> None:
    sets = [
        host_set([LocalityHosts(tuple(Host(SocketAddress("a", 1), flags=flags) for flags in each))], factor)
        for each in priorities
    ]
    load = spread(sets, panic_threshold)
    assert sum(load.healthy) + sum(load.degraded) == 100
    assert min(*load.healthy, *load.degraded) >= 0
    assert {choose(load, chance / 100) for chance in range(100)} == {
        (priority, degraded)
        for degraded, loads in ((False, load.healthy), (True, load.degraded))
        for priority, share in enumerate(loads)
        if share
    }
    for hosts_, panic, healthy, degraded in zip(sets, load.panic, load.healthy, load.degraded, strict=True):
        if not panic and sum(load.healthy[1:]) + sum(load.degraded):
            assert hosts_.healthy or not healthy
            assert hosts_.degraded or not degraded
