from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator

from dataplane.balancing import policies
from dataplane.balancing.edf import EdfScheduler
from dataplane.balancing.hosts import Host
from dataplane.base.address import SocketAddress


def hosts(*weights: int) -> tuple[Host, ...]:
    return tuple(Host(SocketAddress("10.0.0.1", port), str(port), weight) for port, weight in enumerate(weights))


def samples(*values: float) -> policies.Chance:
    source: Iterator[float] = iter(values)
    return lambda: next(source)


def picks(pick: policies.Picker[Host], count: int) -> str:
    return "".join(host.hostname for _ in range(count) if (host := pick(None)) is not None)


def test_round_robin_begins_anywhere_and_goes_in_turn() -> None:
    assert picks(policies.round_robin(samples(0.0))(hosts(1, 1, 1)), 7) == "0120120"
    assert picks(policies.round_robin(samples(0.99))(hosts(5, 5, 5)), 4) == "2012"


def test_round_robin_with_weights_spreads_its_picks() -> None:
    pick = policies.round_robin(samples(0.0))(hosts(3, 1))
    assert picks(pick, 4) == "0010"
    assert Tally(picks(pick, 400)) == {"0": 300, "1": 100}
    assert picks(policies.round_robin(samples(0.5))(hosts(3, 1)), 4) == "0100"


def test_least_request_takes_the_less_busy_of_two() -> None:
    some = hosts(1, 1, 1)
    some[0].rq_active, some[1].rq_active, some[2].rq_active = 5, 2, 9
    pick = policies.least_request(samples(0.0, 0.5, 0.9, 0.0, 0.4, 0.4))(some)
    assert picks(pick, 3) == "101"


def test_least_request_with_more_choices() -> None:
    some = hosts(1, 1, 1)
    some[0].rq_active, some[1].rq_active = 5, 2
    assert picks(policies.least_request(samples(0.0, 0.5, 0.9), choices=3)(some), 1) == "2"


def test_least_request_with_weights_counts_active_requests_against_a_host() -> None:
    some = hosts(2, 1)
    pick = policies.least_request(samples(0.0))(some)
    assert Tally(picks(pick, 300)) == {"0": 200, "1": 100}
    some[0].rq_active = 3
    assert Tally(picks(pick, 300))["1"] > 190
    unbiased = policies.least_request(samples(0.0), active_request_bias=0.0)(some)
    assert Tally(picks(unbiased, 300)) == {"0": 200, "1": 100}


def test_random_draws() -> None:
    assert picks(policies.random(samples(0.0, 0.34, 0.99))(hosts(1, 7, 1)), 3) == "012"


def test_edf_follows_a_weight_that_changes() -> None:
    weights = {"a": 1.0, "b": 1.0}
    scheduler = EdfScheduler(["a", "b"], lambda item: weights[item])
    assert [scheduler.pick() for _ in range(4)] == ["a", "b", "a", "b"]
    weights["b"] = 3.0
    assert Tally(scheduler.pick() for _ in range(400))["b"] in range(298, 303)
