"""Wildcard and names, as the protocol's own examples have it."""

from __future__ import annotations

from controlplane.base.type_url import CLUSTER, CLUSTER_LOAD_ASSIGNMENT
from controlplane.delivery.subscription import Difference, Subscription


def test_sotw_goes_through_the_example_of_the_protocol() -> None:
    subscription = Subscription(CLUSTER)
    assert subscription.replace([]) == Difference(wildcard_started=True)
    assert subscription.replace(["*", "A"]) == Difference(added=frozenset("A"))
    assert subscription.wildcard
    assert subscription.replace(["A"]) == Difference(wildcard_ended=True)
    assert subscription.replace([]) == Difference(dropped=frozenset("A"))
    assert not subscription.wildcard
    assert subscription.names == frozenset()


def test_delta_goes_through_the_example_of_the_protocol() -> None:
    subscription = Subscription(CLUSTER)
    assert subscription.change([], [], first=True) == Difference(wildcard_started=True)
    assert subscription.change(["A"], [], first=False) == Difference(added=frozenset("A"))
    assert subscription.wildcard
    assert subscription.change([], ["*"], first=False) == Difference(wildcard_ended=True)
    assert subscription.change([], ["A"], first=False) == Difference(dropped=frozenset("A"))
    assert not subscription.wildcard
    assert subscription.change([], [], first=False) == Difference()


def test_types_that_are_asked_for_by_name_have_no_legacy_wildcard() -> None:
    sotw, delta = Subscription(CLUSTER_LOAD_ASSIGNMENT), Subscription(CLUSTER_LOAD_ASSIGNMENT)
    assert sotw.replace([]) == Difference()
    assert delta.change([], [], first=True) == Difference()
    assert not sotw.wildcard
    assert not delta.wildcard
    assert sotw.replace(["*"]).wildcard_started
    assert delta.change(["*"], [], first=False).wildcard_started


def test_sotw_a_repeated_list_changes_nothing_in_any_order() -> None:
    subscription = Subscription(CLUSTER_LOAD_ASSIGNMENT)
    assert subscription.replace(["a", "b"]).added == {"a", "b"}
    assert subscription.replace(["a", "b"]) == Difference()
    assert subscription.replace(["b", "a"]) == Difference()


def test_delta_a_name_subscribed_again_is_added_again() -> None:
    subscription = Subscription(CLUSTER_LOAD_ASSIGNMENT)
    subscription.change(["a"], [], first=True)
    assert subscription.change(["a"], [], first=False) == Difference(added=frozenset("a"))


def test_delta_phantom_unsubscriptions_are_ignored() -> None:
    subscription = Subscription(CLUSTER)
    assert subscription.change([], ["a"], first=True) == Difference()
    assert not subscription.wildcard


def test_delta_a_name_dropped_and_wanted_in_one_request_is_wanted() -> None:
    subscription = Subscription(CLUSTER)
    subscription.change(["a", "*"], [], first=True)
    assert subscription.change(["a", "*"], ["a", "*"], first=False) == Difference(added=frozenset("a"))
    assert subscription.names == {"a"}
    assert subscription.wildcard
