"""Dialogues of one type in the incremental protocol."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from dataplane.xds.delta import Delta
from dataplane.xds.messages import DeltaRequest
from dataplane.xds.subscription import WILDCARD, Subscription


class Dialogue:
    def __init__(self, *names: str) -> None:
        self.subscription = Subscription(names)
        self.versions: dict[str, str] = {}
        self.delta = Delta("T", self.subscription, lambda: dict(self.versions))

    def want(self, names: Collection[str]) -> None:
        self.delta.change(self.subscription.replace(names))

    def says(self) -> DeltaRequest | None:
        return self.delta.next_request()


def test_the_first_request_subscribes() -> None:
    client = Dialogue("a", "b")
    assert client.says() == DeltaRequest("T", ("a", "b"))
    assert client.says() is None


def test_a_pure_wildcard_names_nothing() -> None:
    client = Dialogue(*WILDCARD)
    assert client.says() == DeltaRequest("T")
    assert client.says() is None


def test_a_wildcard_beside_names_is_spelled_out() -> None:
    assert Dialogue("a", *WILDCARD).says() == DeltaRequest("T", ("a", "*"))


def test_nothing_is_said_while_nothing_is_wanted() -> None:
    client = Dialogue()
    assert client.says() is None
    client.want(("a",))
    assert client.says() == DeltaRequest("T", ("a",))


def test_only_differences_are_said() -> None:
    client = Dialogue("a", "b")
    client.says()
    client.want(("b", "c"))
    assert client.says() == DeltaRequest("T", ("c",), ("a",))
    assert client.says() is None


def test_acknowledgements_come_first_and_change_no_subscription() -> None:
    client = Dialogue("a")
    client.says()
    client.delta.received("n1", "")
    client.want(("b",))
    client.delta.accept()
    assert client.says() == DeltaRequest("T", response_nonce="n1")
    assert client.says() == DeltaRequest("T", ("b",), ("a",))


def test_a_refusal_says_why() -> None:
    client = Dialogue("a")
    client.says()
    client.delta.received("n1", "")
    client.delta.refuse("bad a")
    assert client.says() == DeltaRequest("T", response_nonce="n1", error="bad a")


def test_every_response_gets_its_own_answer() -> None:
    client = Dialogue("a")
    client.says()
    for nonce in ("n1", "n2"):
        client.delta.received(nonce, "")
        client.delta.accept()
    assert client.says() == DeltaRequest("T", response_nonce="n1")
    assert client.says() == DeltaRequest("T", response_nonce="n2")


def test_a_new_stream_subscribes_to_everything_with_the_versions_that_are_had() -> None:
    client = Dialogue("a", "b")
    client.says()
    client.versions["a"] = "1"
    client.delta.open()
    assert client.says() == DeltaRequest("T", ("a", "b"), initial_resource_versions={"a": "1"})


def test_a_new_stream_of_a_wildcard_names_nothing_and_tells_its_versions() -> None:
    client = Dialogue(*WILDCARD)
    client.says()
    client.versions.update(a="1", b="2")
    client.delta.open()
    assert client.says() == DeltaRequest("T", initial_resource_versions={"a": "1", "b": "2"})


def test_versions_are_told_only_at_the_start_of_a_stream() -> None:
    client = Dialogue("a")
    client.says()
    client.versions["a"] = "1"
    client.want(("a", "b"))
    assert client.says() == DeltaRequest("T", ("b",))


def test_answers_and_changes_of_an_old_stream_are_not_repeated() -> None:
    client = Dialogue("a")
    client.says()
    client.delta.received("n1", "")
    client.delta.accept()
    client.want(("b",))
    client.delta.open()
    assert client.says() == DeltaRequest("T", ("b",))
    assert client.says() is None


def test_dropped_and_wanted_again_before_the_server_heard_of_it_says_nothing() -> None:
    client = Dialogue("a", "b")
    client.says()
    client.want(("b",))
    assert not client.delta.told()
    client.want(("b", "a"))
    assert client.delta.told()
    assert client.says() is None


def test_wanted_and_dropped_before_the_server_heard_of_it_says_nothing() -> None:
    client = Dialogue("a")
    client.says()
    client.want(("a", "b"))
    client.want(("a",))
    assert client.says() is None


def test_wanted_again_after_the_server_heard_of_it_is_a_new_subscription() -> None:
    client = Dialogue("a", "b")
    client.says()
    client.want(("b",))
    assert client.says() == DeltaRequest("T", (), ("a",))
    client.want(("b", "a"))
    assert client.says() == DeltaRequest("T", ("a",))


def test_a_dropped_name_is_followed_until_the_server_heard_of_it() -> None:
    client = Dialogue("a", "b")
    client.says()
    client.want(("b",))
    assert client.delta.follows("a")
    client.says()
    assert not client.delta.follows("a")
    assert client.delta.follows("b")


def test_the_wildcard_can_be_given_up() -> None:
    client = Dialogue(*WILDCARD)
    client.says()
    client.want(("a",))
    assert client.says() == DeltaRequest("T", ("a",), ("*",))


def test_an_answer_without_a_response_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        Dialogue("a").delta.accept()


def test_a_second_response_before_the_answer_to_the_first_is_a_bug() -> None:
    client = Dialogue("a")
    client.delta.received("n1", "")
    with pytest.raises(AssertionError):
        client.delta.received("n2", "")
