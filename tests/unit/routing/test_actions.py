"""Clusters and times for one request."""

from __future__ import annotations

import pytest

from dataplane.routing.actions import Timeouts, choose_cluster, choose_weighted, decide_timeouts
from dataplane.routing.route import ForwardAction, WeightedCluster
from dataplane.semantics.header_map import RequestHeaders

WEIGHTED = ForwardAction(
    weighted_clusters=(WeightedCluster("a", 30), WeightedCluster("zero", 0), WeightedCluster("b", 70)), total_weight=100
)


def request(**headers: str) -> RequestHeaders:
    return RequestHeaders(b"GET", b"/", b"host", fields=[(name.encode(), value.encode()) for name, value in headers.items()])


def test_a_named_cluster() -> None:
    assert choose_cluster(ForwardAction("c"), request(), 7) == ("c", None)


def test_a_header_names_the_cluster() -> None:
    action = ForwardAction(cluster_header=b"to")
    assert choose_cluster(action, request(to="c"), 0) == ("c", None)
    assert choose_cluster(action, request(), 0) == ("", None)
    assert choose_cluster(ForwardAction(cluster_header=b":authority"), request(), 0) == ("host", None)


@pytest.mark.parametrize(
    ("random_value", "expected"), [(0, "a"), (29, "a"), (30, "b"), (99, "b"), (100, "a"), (129, "a"), (130, "b")]
)
def test_weights_are_shares_of_their_sum(random_value: int, expected: str) -> None:
    name, choice = choose_cluster(WEIGHTED, request(), random_value)
    assert name == expected
    assert choice is not None
    assert choice.name == expected


@pytest.mark.parametrize(
    ("value", "expected"), [("30", "b"), ("0", "a"), ("130", "b"), ("-1", "a"), ("x", "a"), ("1" * 30, "a"), ("", "a")]
)
def test_a_header_may_give_the_number(value: str, expected: str) -> None:
    action = ForwardAction(weighted_clusters=WEIGHTED.weighted_clusters, total_weight=100, weight_header=b"w")
    assert choose_weighted(action, request(w=value), 0).name == expected


def test_a_weighted_choice_may_be_named_by_a_header() -> None:
    action = ForwardAction(weighted_clusters=(WeightedCluster("", 1, cluster_header=b"to"),), total_weight=1)
    assert choose_cluster(action, request(to="c"), 0)[0] == "c"
    assert choose_cluster(action, request(), 0)[0] == ""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((15.0, 0.0), Timeouts(15.0, 0.0, 15000)),
        ((15.0, 2.0), Timeouts(15.0, 2.0, 2000)),
        ((15.0, 15.0), Timeouts(15.0, 0.0, 15000)),
        ((0.0, 2.0), Timeouts(0.0, 2.0, 2000)),
        ((0.0, 0.0), Timeouts(0.0, 0.0, 0)),
        ((15.0, 0.0, b"300"), Timeouts(0.3, 0.0, 300)),
        ((15.0, 0.0, b"0"), Timeouts(0.0, 0.0, 0)),
        ((15.0, 0.0, b"-3"), Timeouts(15.0, 0.0, 15000)),
        ((15.0, 2.0, b"1000", b"100"), Timeouts(1.0, 0.1, 100)),
        ((15.0, 2.0, None, b"x"), Timeouts(15.0, 2.0, 2000)),
    ],
)
def test_times(arguments: tuple[float, float], expected: Timeouts) -> None:
    assert decide_timeouts(*arguments) == expected
