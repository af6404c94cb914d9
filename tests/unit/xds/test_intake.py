"""Responses into a store, judged resource by resource."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

import pytest

from dataplane.xds.intake import MAX_ERROR_TEXT, Intake, Outcome
from dataplane.xds.messages import RawResource, Response
from dataplane.xds.store import Store
from dataplane.xds.types import ResourceType
from tests.support.xds_decoder import TYPE, TextDecoder, body, nameless, raw

KIND = ResourceType(TYPE, "thing")


class Receiver:
    def __init__(self, *, complete: bool = False, wants: Callable[[str], bool] = lambda name: True) -> None:
        self.store = Store()
        self.decoder = TextDecoder()
        self.complete = complete
        self.wants = wants
        self.now = 1000.0

    def begin(self, *resources: RawResource, removed: Iterable[str] = (), version: str = "v1") -> Intake:
        response = Response(TYPE, version, "n", resources, tuple(removed))
        return Intake(
            self.store,
            KIND,
            response,
            complete=self.complete,
            wants=lambda name: self.wants(name),
            decode=self.decoder,
            now=self.now,
            wall=1.7e9,
        )

    def take(self, *resources: RawResource, removed: Iterable[str] = (), version: str = "v1") -> Outcome:
        intake = self.begin(*resources, removed=removed, version=version)
        while intake.step():
            pass
        return intake.commit()


def test_good_resources_are_kept() -> None:
    receiver = Receiver()
    outcome = receiver.take(raw("a", "x", "1"), raw("b", "y", "2"))
    assert outcome == Outcome(changed={"a": "x", "b": "y"}, accepted=("a", "b"))
    assert receiver.store.values() == {"a": "x", "b": "y"}
    assert receiver.store.versions() == {"a": "1", "b": "2"}


def test_a_resource_without_its_own_version_has_that_of_the_response() -> None:
    receiver = Receiver()
    receiver.take(raw("a", version=""), version="v7")
    assert receiver.store.versions() == {"a": "v7"}


def test_known_bytes_are_not_decoded_again_but_get_the_new_version() -> None:
    receiver = Receiver()
    receiver.take(raw("a", "x", "1"), nameless("b", "y"))
    receiver.decoder.calls.clear()
    outcome = receiver.take(raw("a", "x", "2"), nameless("b", "y", "v2"))
    assert receiver.decoder.calls == []
    assert outcome.changed == {}
    assert outcome.accepted == ("a", "b")
    assert receiver.store.versions() == {"a": "2", "b": "v2"}


def test_a_bad_resource_keeps_its_last_good_value_and_the_good_are_kept() -> None:
    receiver = Receiver()
    receiver.take(raw("a", "x", "1"), raw("b", "y", "1"))
    outcome = receiver.take(raw("a", "bad", "2"), raw("b", "z", "2"))
    assert outcome.changed == {"b": "z"}
    assert outcome.refused == ("a",)
    assert outcome.error == "Error adding/updating thing(s) Thing{a}.text: is bad"
    assert receiver.store.values() == {"a": "x", "b": "z"}
    assert receiver.store.versions() == {"a": "1", "b": "2"}
    refused = receiver.store.entries["a"].refused
    assert refused is not None
    assert (refused.version, refused.body, refused.wall) == ("2", body("a", "bad"), 1.7e9)


def test_the_error_names_everything_that_is_wrong() -> None:
    outcome = Receiver().take(raw("a", "worse"), raw("b", "bad"))
    assert outcome.error == (
        "Error adding/updating thing(s) Thing{a}.text: is bad; Thing{a}.text: is ugly; Thing{b}.text: is bad"
    )


def test_bad_bytes_are_tried_again_when_they_come_again() -> None:
    receiver = Receiver()
    receiver.take(raw("a", "bad"))
    assert receiver.take(raw("a", "bad")).refused == ("a",)
    assert receiver.decoder.calls == ["a", "a"]


def test_a_good_version_clears_the_refusal() -> None:
    receiver = Receiver()
    receiver.take(raw("a", "x", "1"))
    receiver.take(raw("a", "bad", "2"))
    assert receiver.take(raw("a", "x", "1")) == Outcome(accepted=("a",))
    assert receiver.store.entries["a"].refused is None


def test_a_bug_in_a_decoder_costs_one_resource(caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver()
    with caplog.at_level(logging.ERROR, "config"):
        outcome = receiver.take(raw("a", "bug"), raw("b", "y"))
    assert outcome.changed == {"b": "y"}
    assert outcome.error == "Error adding/updating thing(s) a: internal error: ZeroDivisionError('oops')"
    assert "decoding thing 'a' failed" in caplog.text


def test_a_name_that_comes_twice_is_refused_and_keeps_its_last_value() -> None:
    receiver = Receiver()
    receiver.take(raw("a", "x"))
    outcome = receiver.take(raw("a", "y"), raw("b", "z"), raw("a", "w"))
    assert outcome.changed == {"b": "z"}
    assert outcome.error == "Error adding/updating thing(s) a: duplicate name in one response"
    assert receiver.store.values() == {"a": "x", "b": "z"}


def test_a_bad_resource_that_comes_twice_is_told_of_once() -> None:
    outcome = Receiver().take(raw("a", "bad"), raw("a", "x"))
    assert outcome.changed == {}
    assert outcome.error == "Error adding/updating thing(s) Thing{a}.text: is bad"


def test_a_type_other_than_the_response_s_is_refused() -> None:
    outcome = Receiver().take(raw("a", type_url="type.googleapis.com/test.Other"))
    assert outcome.error is not None
    assert "a: type URL 'type.googleapis.com/test.Other' does not match" in outcome.error


def test_a_wrapper_and_a_resource_of_different_names_are_refused() -> None:
    outcome = Receiver().take(RawResource("a", TYPE, body("b", "x"), "1"))
    assert outcome.error == "Error adding/updating thing(s) a: the resource calls itself 'b'"


def test_bytes_without_a_name_are_refused() -> None:
    outcome = Receiver().take(RawResource("", TYPE, b"\x12\x01x", "1"), nameless("b", "y"))
    assert outcome.changed == {"b": "y"}
    assert outcome.refused == ()
    assert outcome.error == "Error adding/updating thing(s) Thing: malformed message"


def test_what_nobody_asked_for_is_not_looked_at() -> None:
    receiver = Receiver(wants=lambda name: name == "a")
    outcome = receiver.take(raw("a", "x"), raw("b", "bad"), nameless("c", "bad"), removed=("d",))
    assert outcome == Outcome(changed={"a": "x"}, accepted=("a",))
    assert receiver.decoder.calls == ["a"]


def test_a_name_that_only_the_decoder_finds_may_be_one_that_nobody_asked_for() -> None:
    receiver = Receiver(wants=lambda name: name == "a")
    decode = receiver.decoder
    hidden = RawResource("", TYPE, b"\x08\x01", "1")
    receiver.decoder = lambda type_url, body: decode(TYPE, b"\x0a\x01z\x12\x01y")  # type: ignore[assignment]  # a decoder too
    assert receiver.take(hidden) == Outcome()


def test_a_name_dropped_during_the_intake_is_not_kept() -> None:
    receiver = Receiver()
    intake = receiver.begin(raw("a", "x"), raw("b", "y"))
    while intake.step():
        pass
    receiver.wants = lambda name: name == "b"
    assert intake.commit().changed == {"b": "y"}


def test_one_step_judges_one_resource() -> None:
    receiver = Receiver()
    intake = receiver.begin(raw("a"), raw("b"))
    assert intake.step()
    assert receiver.decoder.calls == ["a"]
    assert intake.step()
    assert not intake.step()


class TestRemoval:
    def test_removed_resources_go(self) -> None:
        receiver = Receiver()
        receiver.take(raw("a", "x"), raw("b", "y"))
        outcome = receiver.take(removed=("a", "unheard"))
        assert outcome == Outcome(removed=("a",), absent=("a", "unheard"))
        assert receiver.store.values() == {"b": "y"}

    def test_sent_and_removed_at_once_is_refused(self) -> None:
        receiver = Receiver()
        receiver.take(raw("a", "x"))
        outcome = receiver.take(raw("a", "y"), removed=("a",))
        assert outcome.removed == ()
        assert outcome.error == "Error adding/updating thing(s) a: both sent and removed in one response"
        assert receiver.store.values() == {"a": "x"}

    def test_what_a_complete_response_leaves_out_goes(self) -> None:
        receiver = Receiver(complete=True)
        receiver.take(nameless("a", "x"), nameless("b", "y"))
        assert receiver.take(nameless("b", "y")).removed == ("a",)
        assert receiver.take().removed == ("b",)

    def test_what_a_partial_response_leaves_out_stays(self) -> None:
        receiver = Receiver()
        receiver.take(nameless("a", "x"), nameless("b", "y"))
        assert receiver.take(nameless("b", "y")).removed == ()
        assert receiver.store.values() == {"a": "x", "b": "y"}

    def test_a_bad_resource_is_not_left_out(self) -> None:
        receiver = Receiver(complete=True)
        receiver.take(nameless("a", "x"), nameless("b", "y"))
        assert receiver.take(nameless("a", "bad")).removed == ("b",)
        assert receiver.store.values() == {"a": "x"}

    def test_nothing_goes_while_a_bad_resource_has_no_name(self) -> None:
        receiver = Receiver(complete=True)
        receiver.take(nameless("a", "x"))
        assert receiver.take(RawResource("", TYPE, b"\xff", "v2")).removed == ()
        assert receiver.store.values() == {"a": "x"}


class TestTimeToLive:
    def test_a_value_expires(self) -> None:
        receiver = Receiver()
        receiver.take(raw("a", "x", ttl=5.0), raw("b", "y"))
        assert receiver.store.next_expiry() == 1005.0
        assert receiver.store.expired(1004.9) == ()
        assert receiver.store.expired(1005.0) == ("a",)

    def test_a_heartbeat_prolongs_it(self) -> None:
        receiver = Receiver()
        receiver.take(raw("a", "x", ttl=5.0))
        receiver.now += 4
        assert receiver.take(RawResource("a", "", None, "1", 5.0)) == Outcome(accepted=("a",))
        assert receiver.store.next_expiry() == 1009.0
        assert receiver.store.values() == {"a": "x"}

    def test_a_heartbeat_for_nothing_is_refused(self) -> None:
        outcome = Receiver().take(RawResource("a", "", None, "1", 5.0))
        assert outcome.error == "Error adding/updating thing(s) a: no resource in the wrapper"

    def test_an_empty_wrapper_without_time_to_live_is_refused(self) -> None:
        receiver = Receiver()
        receiver.take(raw("a", "x"))
        assert receiver.take(RawResource("a", "", None, "2")).refused == ("a",)
        assert receiver.store.values() == {"a": "x"}

    def test_a_later_version_may_live_for_ever(self) -> None:
        receiver = Receiver()
        receiver.take(raw("a", "x", ttl=5.0))
        receiver.take(raw("a", "y"))
        assert receiver.store.next_expiry() is None

    def test_a_removed_value_does_not_expire(self) -> None:
        receiver = Receiver()
        receiver.take(raw("a", "x", ttl=5.0))
        receiver.take(removed=("a",))
        assert receiver.store.next_expiry() is None


def test_the_error_text_has_a_limit_and_says_how_much_there_was() -> None:
    outcome = Receiver().take(*(raw(f"{number:05d}", "bad") for number in range(12000)))
    assert outcome.error is not None
    assert outcome.error.endswith("... (12000 refused in all)")
    assert len(outcome.error) < MAX_ERROR_TEXT + 50
