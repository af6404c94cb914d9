"""Dialogues of one type in the state-of-the-world protocol."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from dataplane.xds.messages import SotwRequest
from dataplane.xds.sotw import Sotw
from dataplane.xds.subscription import WILDCARD, Subscription


class Dialogue:
    def __init__(self, *names: str) -> None:
        self.subscription = Subscription(names)
        self.sotw = Sotw("T", self.subscription)

    def want(self, names: Collection[str]) -> None:
        self.sotw.change(self.subscription.replace(names))

    def says(self) -> SotwRequest | None:
        return self.sotw.next_request()


def request(*names: str, version: str = "", nonce: str = "", error: str | None = None) -> SotwRequest:
    return SotwRequest("T", names, version, nonce, error)


def test_the_first_request_has_names_and_nothing_else() -> None:
    client = Dialogue("a", "b")
    assert client.says() == request("a", "b")
    assert client.says() is None


def test_a_pure_wildcard_names_nothing() -> None:
    assert Dialogue(*WILDCARD).says() == request()


def test_nothing_is_said_while_nothing_is_wanted() -> None:
    client = Dialogue()
    assert client.says() is None
    client.want(("a",))
    assert client.says() == request("a")


def test_an_accepted_response_is_acknowledged_with_its_version_and_nonce() -> None:
    client = Dialogue("a")
    client.says()
    client.sotw.received("n1", "v1")
    client.sotw.accept()
    assert client.says() == request("a", version="v1", nonce="n1")
    assert client.says() is None


def test_a_refused_response_keeps_the_version_before_and_says_why_once() -> None:
    client = Dialogue("a")
    client.says()
    client.sotw.received("n1", "v1")
    client.sotw.accept()
    client.says()
    client.sotw.received("n2", "v2")
    client.sotw.refuse("bad a")
    assert client.says() == request("a", version="v1", nonce="n2", error="bad a")
    client.want(("a", "b"))
    assert client.says() == request("a", "b", version="v1", nonce="n2")


def test_the_first_response_refused_leaves_the_version_empty() -> None:
    client = Dialogue("a")
    client.says()
    client.sotw.received("n1", "v1")
    client.sotw.refuse("bad")
    assert client.says() == request("a", nonce="n1", error="bad")


def test_names_changed_while_a_response_is_looked_at_go_out_with_its_answer() -> None:
    client = Dialogue("a")
    client.says()
    client.sotw.received("n1", "v1")
    client.want(("a", "b"))
    assert client.says() is None
    client.sotw.accept()
    assert client.says() == request("a", "b", version="v1", nonce="n1")
    assert client.says() is None


def test_a_new_stream_repeats_names_and_version_but_no_nonce() -> None:
    client = Dialogue("a")
    client.says()
    client.sotw.received("n1", "v1")
    client.sotw.accept()
    client.says()
    client.sotw.open()
    assert client.says() == request("a", version="v1")


def test_a_new_stream_forgets_a_response_that_was_not_answered() -> None:
    client = Dialogue("a")
    client.says()
    client.sotw.received("n1", "v1")
    client.sotw.open()
    assert client.says() == request("a")
    client.sotw.received("n1", "v1")
    client.sotw.accept()
    assert client.says() == request("a", version="v1", nonce="n1")


def test_the_last_name_dropped_is_said_by_naming_nothing() -> None:
    client = Dialogue("a")
    client.says()
    client.want(())
    assert not client.sotw.told()
    assert client.says() == request()
    assert client.sotw.told()


def test_dropped_before_it_was_said_needs_no_request() -> None:
    client = Dialogue("a")
    client.want(())
    assert client.says() is None


def test_a_name_beside_the_wildcard_makes_the_wildcard_explicit_for_the_rest_of_the_stream() -> None:
    client = Dialogue(*WILDCARD)
    assert client.says() == request()
    client.want((*WILDCARD, "a"))
    assert client.says() == request("*", "a")
    client.want(WILDCARD)
    assert client.says() == request("*")
    client.sotw.open()
    assert client.says() == request()


def test_a_dropped_name_is_followed_for_the_rest_of_the_stream() -> None:
    client = Dialogue("a")
    assert not client.sotw.follows("a")
    client.says()
    client.want(())
    client.says()
    assert client.sotw.follows("a")
    client.sotw.open()
    assert not client.sotw.follows("a")


def test_no_change_of_names_is_no_request() -> None:
    client = Dialogue("a")
    client.says()
    client.want(("a",))
    assert client.says() is None


def test_an_answer_without_a_response_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        Dialogue("a").sotw.accept()


def test_a_second_response_before_the_answer_to_the_first_is_a_bug() -> None:
    client = Dialogue("a")
    client.sotw.received("n1", "v1")
    with pytest.raises(AssertionError):
        client.sotw.received("n2", "v2")
