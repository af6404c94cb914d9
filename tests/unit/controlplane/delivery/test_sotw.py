"""State of the world, as dialogues."""

from __future__ import annotations

import pytest

from controlplane.base import type_url as urls
from controlplane.base.type_url import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION
from tests.support.xds_talk import SotwTalk

EDS = CLUSTER_LOAD_ASSIGNMENT


def test_a_wildcard_gets_everything_and_everything_again_when_one_thing_changes() -> None:
    talk = SotwTalk()
    talk.publish(1, {CLUSTER: {"a": "1", "b": "1"}})
    talk.ask(CLUSTER)
    said = talk.hear()
    assert said.resources == {"a": "1", "b": "1"}
    talk.ack(said)
    assert talk.is_silent()
    talk.publish(2, {CLUSTER: {"a": "2", "b": "1"}})
    again = talk.hear()
    assert again.resources == {"a": "2", "b": "1"}
    assert again.version.startswith("2-")
    assert again.nonce != said.nonce


def test_nothing_is_said_before_anything_was_published() -> None:
    talk = SotwTalk()
    talk.ask(CLUSTER)
    talk.ask(EDS, "a")
    assert talk.is_silent()
    talk.publish(1, {EDS: {"a": "1"}})
    assert talk.hear().resources == {}
    assert talk.hear().resources == {"a": "1"}


def test_a_subscription_may_change_before_anything_was_published() -> None:
    talk = SotwTalk()
    talk.ask(CLUSTER, "a")
    talk.ask(CLUSTER, "b")
    assert talk.is_silent()
    talk.publish(1, {CLUSTER: {"a": "1", "b": "1"}})
    assert talk.hear().resources == {"b": "1"}


def test_a_first_wildcard_is_answered_even_with_nothing() -> None:
    talk = SotwTalk()
    talk.publish(1, {})
    talk.ask(CLUSTER)
    assert talk.hear().resources == {}


def test_a_revision_that_does_not_touch_a_type_is_not_told() -> None:
    talk = SotwTalk()
    talk.publish(1, {CLUSTER: {"a": "1"}})
    talk.ask(CLUSTER)
    talk.hear_all()
    talk.publish(2, {CLUSTER: {"a": "1"}, LISTENER: {"l": "1"}})
    assert talk.is_silent()
    assert talk.type_status(CLUSTER).acked_revision == 2


def test_names_get_what_exists_and_the_rest_when_it_appears() -> None:
    talk = SotwTalk()
    talk.publish(1, {EDS: {"a": "1", "other": "1"}})
    talk.ask(EDS, "a", "b")
    said = talk.hear()
    assert said.resources == {"a": "1"}
    talk.ack(said)
    talk.publish(2, {EDS: {"a": "1", "b": "1", "other": "2"}})
    said = talk.hear()
    assert said.resources == {"b": "1"}
    talk.ack(said)
    assert talk.is_silent()


def test_names_that_do_not_exist_are_not_answered() -> None:
    talk = SotwTalk()
    talk.publish(1, {})
    talk.ask(EDS, "a")
    assert talk.is_silent()


def test_a_removed_endpoint_is_not_told_and_a_different_one_is() -> None:
    talk = SotwTalk()
    talk.publish(1, {EDS: {"a": "1"}})
    talk.ask(EDS, "a")
    talk.hear_all()
    talk.publish(2, {})
    assert talk.is_silent()
    talk.publish(3, {EDS: {"a": "1"}})
    assert talk.is_silent()
    talk.publish(4, {EDS: {"a": "2"}})
    assert talk.hear().resources == {"a": "2"}


def test_a_new_name_is_answered_and_a_dropped_one_is_forgotten() -> None:
    talk = SotwTalk()
    talk.publish(1, {EDS: {"a": "1", "b": "1"}})
    talk.ask(EDS, "a", "b")
    said = talk.hear()
    talk.ack(said)
    talk.ask(EDS, "a", nonce=said.nonce)
    assert talk.is_silent()
    talk.ask(EDS, "a", "b", nonce=said.nonce)
    assert talk.hear().resources == {"b": "1"}


def test_clusters_by_name_come_in_full() -> None:
    talk = SotwTalk()
    talk.publish(1, {CLUSTER: {"a": "1", "b": "1", "other": "1"}})
    talk.ask(CLUSTER, "a", "b", "missing")
    said = talk.hear()
    assert said.resources == {"a": "1", "b": "1"}
    talk.ack(said)
    talk.publish(2, {CLUSTER: {"a": "2", "b": "1", "other": "1"}})
    said = talk.hear()
    assert said.resources == {"a": "2", "b": "1"}
    talk.ack(said)
    talk.publish(3, {CLUSTER: {"a": "2", "b": "1", "other": "3"}})
    assert talk.is_silent()


def test_a_new_name_of_a_full_type_is_answered_even_if_it_does_not_exist() -> None:
    talk = SotwTalk()
    talk.publish(1, {LISTENER: {"a": "1"}})
    talk.ask(LISTENER, "a")
    said = talk.hear()
    talk.ack(said)
    talk.ask(LISTENER, "a", "missing", nonce=said.nonce)
    said = talk.hear()
    assert said.resources == {"a": "1"}
    talk.ack(said)
    talk.ask(LISTENER, "missing", nonce=said.nonce)
    assert talk.is_silent()


def test_a_subscription_may_grow_to_everything_and_shrink_again() -> None:
    talk = SotwTalk()
    talk.publish(1, {EDS: {"a": "1", "b": "1"}})
    talk.ask(EDS, "a")
    (said,) = talk.hear_all()
    talk.ask(EDS, "a", "*", nonce=said.nonce)
    (said,) = talk.hear_all()
    assert said.resources == {"a": "1", "b": "1"}
    talk.ask(EDS, "b", nonce=said.nonce)
    assert [each.resources for each in talk.hear_all()] == [{"b": "1"}]


def test_a_name_beside_the_wildcard_is_answered_with_everything() -> None:
    talk = SotwTalk()
    talk.publish(1, {CLUSTER: {"a": "1", "b": "1"}})
    talk.ask(CLUSTER)
    (said,) = talk.hear_all()
    talk.ask(CLUSTER, "*", "a", nonce=said.nonce)
    assert [each.resources for each in talk.hear_all()] == [{"a": "1", "b": "1"}]


def test_who_wants_nothing_any_more_is_told_nothing() -> None:
    talk = SotwTalk()
    talk.publish(1, {CLUSTER: {"a": "1"}, EDS: {"a": "1"}})
    for type_url in (CLUSTER, EDS):
        talk.ask(type_url, "a")
        (said,) = talk.hear_all()
        talk.ask(type_url, nonce=said.nonce)
    talk.publish(2, {CLUSTER: {"a": "2"}, EDS: {"a": "2"}})
    assert talk.is_silent()
    assert talk.status.ready_revision == 2


def test_a_stale_request_is_ignored_with_its_names() -> None:
    talk = SotwTalk()
    talk.publish(1, {EDS: {"a": "1", "b": "1"}})
    talk.ask(EDS, "a")
    (first,) = talk.hear_all()
    talk.publish(2, {EDS: {"a": "2", "b": "1"}})
    second = talk.hear()
    talk.ask(EDS, "a", "b", nonce=first.nonce)
    assert talk.is_silent()
    talk.ack(second)
    assert talk.hear().resources == {"b": "1"}


def test_one_response_at_a_time_and_the_last_state_wins() -> None:
    talk = SotwTalk()
    talk.publish(1, {EDS: {"a": "1"}})
    talk.ask(EDS, "a")
    said = talk.hear()
    for content in "234":
        talk.publish(int(content), {EDS: {"a": content}})
        assert talk.is_silent()
    talk.ack(said)
    assert talk.hear().resources == {"a": "4"}


def test_a_client_that_does_not_answer_is_told_what_is_new_all_the_same_after_a_while() -> None:
    talk = SotwTalk()
    talk.publish(1, {EDS: {"a": "1"}})
    talk.ask(EDS, "a")
    talk.hear()
    talk.publish(2, {EDS: {"a": "2"}})
    assert talk.is_silent()
    assert talk.stream.wake_at == talk.now + 5
    talk.now += 5
    assert talk.hear().resources == {"a": "2"}


def test_a_refused_content_is_not_sent_again_but_the_next_is() -> None:
    talk = SotwTalk()
    talk.publish(1, {CLUSTER: {"a": "1"}})
    talk.ask(CLUSTER)
    talk.nack(talk.hear(), "a is bad")
    assert talk.is_silent()
    status = talk.type_status(CLUSTER)
    assert (status.rejecting, status.nack_text, status.acked_revision) == (True, "a is bad", 0)
    talk.publish(2, {CLUSTER: {"a": "2"}})
    talk.ack(talk.hear())
    status = talk.type_status(CLUSTER)
    assert (status.rejecting, status.nack_text, status.acked_revision) == (False, "a is bad", 2)


class TestComingBack:
    def test_a_wildcard_at_the_same_content_is_told_nothing_whatever_the_revision(self) -> None:
        before = SotwTalk()
        before.publish(1, {CLUSTER: {"a": "1"}})
        before.ask(CLUSTER)
        version = before.hear().version
        after = SotwTalk()
        after.publish(9, {CLUSTER: {"a": "1"}})
        after.ask(CLUSTER, version=version)
        assert after.is_silent()
        status = after.type_status(CLUSTER)
        assert (status.acked_revision, status.acked_version) == (9, after.type_status(CLUSTER).sent_version)
        assert status.acked_version.startswith("9-")

    def test_the_comparison_waits_until_something_is_published(self) -> None:
        before = SotwTalk()
        before.publish(1, {CLUSTER: {"a": "1"}})
        before.ask(CLUSTER)
        version = before.hear().version
        after = SotwTalk()
        after.ask(CLUSTER, version=version)
        after.publish(2, {CLUSTER: {"a": "1"}})
        assert after.is_silent()

    def test_other_content_is_told(self) -> None:
        talk = SotwTalk()
        talk.publish(1, {CLUSTER: {"a": "1"}})
        talk.ask(CLUSTER, version="1-of-another-world")
        assert talk.hear().resources == {"a": "1"}

    def test_names_are_always_answered_because_the_client_may_have_forgotten_them(self) -> None:
        talk = SotwTalk()
        talk.publish(1, {EDS: {"a": "1"}, LISTENER: {"l": "1"}})
        talk.ask(EDS, "a")
        talk.ask(LISTENER, "l")
        versions = {said.type_url: said.version for said in talk.hear_all()}
        again = SotwTalk(talk.hub)
        again.ask(EDS, "a", version=versions[EDS])
        again.ask(LISTENER, "l", version=versions[LISTENER])
        assert {said.type_url for said in again.hear_all()} == {EDS, LISTENER}

    def test_what_left_since_a_known_version_is_removed_in_order(self) -> None:
        talk = SotwTalk()
        talk.publish(1, {CLUSTER: {"a": "1", "b": "1"}, ROUTE_CONFIGURATION: {"r": "to a"}})
        talk.ask(CLUSTER)
        version = talk.hear().version
        talk.close()
        talk.publish(2, {CLUSTER: {"b": "1"}, ROUTE_CONFIGURATION: {"r": "to b"}})
        again = SotwTalk(talk.hub)
        again.ask(CLUSTER, version=version)
        assert again.is_silent()
        again.ask(ROUTE_CONFIGURATION, "r")
        assert [said.resources for said in again.hear_all()] == [{"r": "to b"}]
        again.now += 2
        assert [said.resources for said in again.hear_all()] == [{"b": "1"}]


@pytest.mark.parametrize("type_url", [urls.RUNTIME, urls.SECRET, urls.EXTENSION_CONFIG, "type.googleapis.com/some.Other"])
def test_every_type_is_delivered_by_name(type_url: str) -> None:
    talk = SotwTalk()
    talk.publish(1, {type_url: {"x": "1", "y": "1"}})
    talk.ask(type_url, "x")
    assert talk.hear().resources == {"x": "1"}


def test_a_changed_cluster_brings_its_endpoints_along() -> None:
    talk = SotwTalk()
    talk.publish(1, {CLUSTER: {"a": "1", "b": "1"}, EDS: {"a": "1", "b": "1"}})
    talk.ask(CLUSTER)
    talk.ask(EDS, "a", "b")
    talk.hear_all()
    talk.publish(2, {CLUSTER: {"a": "2", "b": "1"}, EDS: {"a": "1", "b": "1"}})
    clusters, endpoints = talk.hear(), talk.hear()
    assert clusters.type_url == CLUSTER
    assert (endpoints.type_url, endpoints.resources) == (EDS, {"a": "1"})


def test_a_changed_cluster_brings_all_endpoints_to_who_wants_all_of_them() -> None:
    talk = SotwTalk()
    talk.publish(1, {CLUSTER: {"a": "1"}, EDS: {"a": "1", "b": "1"}})
    talk.ask(CLUSTER)
    talk.ask(EDS, "*")
    talk.hear_all()
    talk.publish(2, {CLUSTER: {"a": "2"}, EDS: {"a": "1", "b": "1"}})
    assert [said.resources for said in talk.hear_all()] == [{"a": "2"}, {"a": "1", "b": "1"}]
    talk.publish(3, {CLUSTER: {"a": "2", "static": "1"}, EDS: {"a": "1", "b": "1"}})
    assert [said.type_url for said in talk.hear_all()] == [CLUSTER]


def test_a_cluster_that_waits_to_be_removed_is_forgotten_when_nobody_wants_it() -> None:
    talk = SotwTalk()
    talk.publish(1, {CLUSTER: {"a": "1", "b": "1"}, ROUTE_CONFIGURATION: {"r": "to a"}})
    talk.ask(CLUSTER, "a", "b")
    talk.ask(ROUTE_CONFIGURATION, "r")
    talk.hear_all()
    talk.publish(2, {CLUSTER: {"b": "1"}, ROUTE_CONFIGURATION: {"r": "to b"}})
    routes = talk.hear()
    assert talk.type_status(CLUSTER).held == 1
    talk.ask(CLUSTER, "b")
    assert talk.type_status(CLUSTER).held == 0
    talk.ack(routes)
    assert talk.is_silent()
