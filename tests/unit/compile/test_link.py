"""Accepted values → snapshot."""

from __future__ import annotations

from dataplane.compile.link import link
from dataplane.snapshot.cluster import Cluster, DiscoveryType, LoadAssignment
from dataplane.snapshot.snapshot import EMPTY


def cluster(name: str) -> Cluster:
    return Cluster(name, DiscoveryType.STATIC)


def test_nothing_changed_is_the_same_snapshot() -> None:
    assert link({}, {}, {}, {}, EMPTY) is EMPTY
    a = cluster("a")
    first = link({}, {}, {"a": a}, {}, EMPTY)
    assert first.generation == 1
    assert link({}, {}, {"a": a}, {}, first) is first


def test_unchanged_parts_stay_the_same_objects() -> None:
    first = link({}, {}, {"a": cluster("a")}, {}, EMPTY)
    second = link({}, {}, first.clusters, {"a": LoadAssignment("a", ())}, first)
    assert second.generation == 2
    assert second.clusters is first.clusters
    assert second.assignments is not first.assignments


def test_an_equal_value_is_a_change_when_it_is_another_object() -> None:
    first = link({}, {}, {"a": cluster("a")}, {}, EMPTY)
    second = link({}, {}, {"a": cluster("a")}, {}, first)
    assert second is not first


def test_what_is_given_may_change_afterwards() -> None:
    given = {"a": cluster("a")}
    first = link({}, {}, given, {}, EMPTY)
    given.clear()
    assert set(first.clusters) == {"a"}
    assert link({}, {}, {}, {}, first).clusters == {}
