from __future__ import annotations

from dataplane.xds.subscription import WILDCARD, Change, Subscription


def test_replacing_names_says_what_came_and_what_went_in_order() -> None:
    subscription = Subscription(("a", "b"))
    assert subscription.replace(("b", "d", "c", "d")) == Change(("d", "c"), ("a",))
    assert subscription.names == ("b", "d", "c")


def test_the_same_names_are_no_change() -> None:
    subscription = Subscription(("a", "b"))
    assert not subscription.replace({"b", "a"})


def test_the_wildcard_wants_every_name() -> None:
    subscription = Subscription(WILDCARD)
    assert subscription.wildcard
    assert subscription.wildcard_only
    assert subscription.wants("anything")
    assert "anything" not in subscription


def test_a_name_beside_the_wildcard() -> None:
    subscription = Subscription((*WILDCARD, "a"))
    assert subscription.wildcard
    assert not subscription.wildcard_only
    assert "a" in subscription


def test_without_names_nothing_is_wanted() -> None:
    subscription = Subscription()
    assert not subscription
    assert not subscription.wants("a")
    assert not subscription.wildcard_only
