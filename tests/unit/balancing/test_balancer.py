from __future__ import annotations

from collections import Counter as Tally
from itertools import cycle

from dataplane.balancing import policies
from dataplane.balancing.balancer import BalancerSettings, build, pick_nothing
from dataplane.balancing.hosts import HealthFlag, Host, HostSet, LocalityHosts, host_set
from dataplane.balancing.locality import effective_weight
from dataplane.balancing.policies import Picker
from dataplane.base.address import SocketAddress
from dataplane.observe.stats import Counter


def host(name: str, flags: int = 0, weight: int = 1) -> Host:
    return Host(SocketAddress(name, 80), name, weight, int(flags))


UNHEALTHY = HealthFlag.FAILED_EDS_HEALTH
DEGRADED = HealthFlag.DEGRADED_EDS_HEALTH


def one(*members: Host) -> HostSet[Host]:
    return host_set([LocalityHosts(members)])


def built(*sets: HostSet[Host], settings: BalancerSettings = BalancerSettings()) -> tuple[Picker[Host], Counter]:  # noqa: B008
    panics = Counter("panics")
    steps = cycle(step / 100 for step in range(100))
    return build(sets, policies.round_robin(lambda: 0.0), settings, lambda: next(steps), panics), panics


def tally(pick: Picker[Host], count: int = 100) -> dict[str, int]:
    return Tally(found.hostname if (found := pick(None)) is not None else "-" for _ in range(count))


def test_nobody() -> None:
    assert built()[0] is pick_nothing
    assert built(one(), one())[0] is pick_nothing
    assert pick_nothing(None) is None


def test_healthy_hosts_of_one_priority_are_picked_without_detour() -> None:
    pick, panics = built(one(host("a"), host("b"), host("c", UNHEALTHY)))
    assert isinstance(getattr(pick, "__self__", None), policies.RoundRobin)
    assert tally(pick) == {"a": 50, "b": 50}
    assert panics.value == 0


def test_panic_ignores_health_and_is_counted() -> None:
    pick, panics = built(one(host("a"), host("b", UNHEALTHY), host("c", UNHEALTHY)))
    assert tally(pick, 99) == {"a": 33, "b": 33, "c": 33}
    assert panics.value == 99


def test_panic_may_mean_nobody() -> None:
    pick, panics = built(one(host("a", UNHEALTHY)), settings=BalancerSettings(fail_traffic_on_panic=True))
    assert tally(pick) == {"-": 100}
    assert panics.value == 100


def test_without_panic_unhealthy_hosts_get_nothing() -> None:
    pick, _ = built(one(host("a", UNHEALTHY)), settings=BalancerSettings(panic_threshold=0))
    assert tally(pick) == {"-": 100}


def test_load_spills_over_to_the_next_priority() -> None:
    pick, _ = built(one(host("a"), host("b", UNHEALTHY)), one(host("c")))
    assert tally(pick) == {"a": 70, "c": 30}


def test_a_panicking_priority_beside_a_healthy_one() -> None:
    weak = one(host("a"), *[host("b", UNHEALTHY) for _ in range(19)])
    pick, panics = built(weak, one(*[host("c") for _ in range(13)], *[host("d", UNHEALTHY) for _ in range(7)]))
    found = tally(pick)
    assert found["a"] + found["b"] == panics.value == 8
    assert found["c"] == 92


def test_degraded_hosts_serve_the_rest() -> None:
    pick, _ = built(one(host("a"), host("b", DEGRADED), host("c", DEGRADED), host("d", DEGRADED)))
    found = tally(pick)
    assert found["a"] == 35
    assert found["b"] + found["c"] + found["d"] == 65


WEIGHTED = BalancerSettings(locality_weighted=True)


def test_localities_by_weight() -> None:
    localities = [LocalityHosts((host("a"),), 3), LocalityHosts((host("b"), host("c")), 1), LocalityHosts((host("d"),))]
    pick, _ = built(host_set(localities), settings=WEIGHTED)
    assert tally(pick, 80) == {"a": 60, "b": 10, "c": 10}
    unweighted, _ = built(host_set(localities))
    assert tally(unweighted, 80) == {"a": 20, "b": 20, "c": 20, "d": 20}


def test_localities_without_any_weight_are_one() -> None:
    pick, _ = built(host_set([LocalityHosts((host("a"),)), LocalityHosts((host("b"),))]), settings=WEIGHTED)
    assert tally(pick) == {"a": 50, "b": 50}


def test_a_locality_that_lost_hosts_gets_less() -> None:
    members = tuple(host(str(number), UNHEALTHY if number >= 5 else 0) for number in range(10))
    assert effective_weight(LocalityHosts(members, 10), 5, 0, 140) == 7.0
    assert effective_weight(LocalityHosts(members, 10), 8, 0, 140) == 10
    assert effective_weight(LocalityHosts(members, 10), 5, 5, 140) == 10
    assert effective_weight(LocalityHosts(members, 10), 0, 0, 140) == 0
    assert effective_weight(LocalityHosts(members[:1], 10), 1, 1, 140) == 0
