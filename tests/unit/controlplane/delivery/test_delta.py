"""The incremental protocol, as dialogues."""

from __future__ import annotations

from controlplane.base.type_url import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION
from tests.support.xds_talk import DeltaTalk, resources

EDS = CLUSTER_LOAD_ASSIGNMENT


def version_of(type_url: str, name: str, content: str) -> str:
    return resources(1, {type_url: {name: content}}).by_type[type_url][name].version


def test_a_wildcard_gets_everything_then_only_what_changes() -> None:
    talk = DeltaTalk()
    talk.publish(1, {LISTENER: {"a": "1", "b": "1"}})
    talk.ask(LISTENER)
    said = talk.hear()
    assert said.resources == {"a": "1", "b": "1"}
    talk.ack(said)
    talk.publish(2, {LISTENER: {"a": "2", "c": "1"}})
    (said,) = talk.hear_all()
    assert (said.resources, said.removed) == ({"a": "2", "c": "1"}, {"b"})
    assert talk.is_silent()


def test_a_first_wildcard_is_answered_even_with_nothing() -> None:
    talk = DeltaTalk()
    talk.ask(CLUSTER)
    assert talk.is_silent()
    talk.publish(1, {})
    (said,) = talk.hear_all()
    assert (said.resources, said.removed) == ({}, frozenset())


def test_names_that_do_not_exist_are_told_so_once_and_sent_when_they_appear() -> None:
    talk = DeltaTalk()
    talk.ask(EDS, "a", "b")
    talk.publish(1, {EDS: {"a": "1"}})
    (said,) = talk.hear_all()
    assert (said.resources, said.removed) == ({"a": "1"}, {"b"})
    talk.publish(2, {EDS: {"a": "1", "b": "1", "other": "1"}})
    (said,) = talk.hear_all()
    assert (said.resources, said.removed) == ({"b": "1"}, frozenset())


def test_a_name_subscribed_again_is_sent_again() -> None:
    talk = DeltaTalk()
    talk.publish(1, {EDS: {"a": "1"}})
    talk.ask(EDS, "a", "missing")
    talk.hear_all()
    talk.ask(EDS, "a")
    (said,) = talk.hear_all()
    assert (said.resources, said.removed) == ({"a": "1"}, frozenset())
    talk.ask(EDS, "missing")
    (said,) = talk.hear_all()
    assert (said.resources, said.removed) == ({}, {"missing"})


def test_an_unsubscription_is_not_answered_and_holds() -> None:
    talk = DeltaTalk()
    talk.publish(1, {EDS: {"a": "1", "b": "1"}})
    talk.ask(EDS, "a", "b")
    talk.hear_all()
    talk.ask(EDS, unsubscribe=["a", "never-there"])
    talk.publish(2, {EDS: {"a": "2", "b": "2"}})
    (said,) = talk.hear_all()
    assert said.resources == {"b": "2"}


def test_subscriptions_count_even_with_a_stale_nonce() -> None:
    talk = DeltaTalk()
    talk.publish(1, {EDS: {"a": "1", "b": "1"}})
    talk.ask(EDS, "a")
    talk.hear_all()
    talk.ask(EDS, "b", nonce="long-gone")
    (said,) = talk.hear_all()
    assert said.resources == {"b": "1"}


def test_a_removed_name_is_told_after_its_cluster_is_gone() -> None:
    talk = DeltaTalk()
    talk.publish(1, {CLUSTER: {"a": "1"}, EDS: {"a": "1"}})
    talk.ask(CLUSTER)
    talk.ask(EDS, "a")
    talk.hear_all()
    talk.publish(2, {})
    assert [(said.type_url, said.removed) for said in talk.hear_all()] == [(CLUSTER, {"a"}), (EDS, {"a"})]
    talk.publish(3, {})
    assert talk.is_silent()


def test_a_name_that_comes_back_before_its_removal_was_told_stays() -> None:
    talk = DeltaTalk()
    talk.publish(1, {CLUSTER: {"a": "1"}, ROUTE_CONFIGURATION: {"r": "to a"}})
    talk.ask(CLUSTER, "a")
    talk.ask(ROUTE_CONFIGURATION, "r")
    talk.hear_all()
    talk.publish(2, {ROUTE_CONFIGURATION: {"r": "to b"}})
    routes = talk.hear()
    assert talk.type_status(CLUSTER).held == 1
    talk.publish(3, {CLUSTER: {"a": "1"}, ROUTE_CONFIGURATION: {"r": "to a"}})
    talk.ack(routes)
    heard = talk.hear_all()
    assert all(not said.removed for said in heard)
    assert talk.type_status(CLUSTER).held == 0


class TestWildcardWithNames:
    def test_a_name_is_answered_although_the_wildcard_covers_it(self) -> None:
        talk = DeltaTalk()
        talk.publish(1, {CLUSTER: {"a": "1", "b": "1"}})
        talk.ask(CLUSTER, "*")
        talk.hear_all()
        talk.ask(CLUSTER, "a", "missing")
        (said,) = talk.hear_all()
        assert (said.resources, said.removed) == ({"a": "1"}, {"missing"})

    def test_a_first_request_with_both_tells_of_what_is_missing(self) -> None:
        talk = DeltaTalk()
        talk.publish(1, {CLUSTER: {"a": "1"}})
        talk.ask(CLUSTER, "*", "missing")
        (said,) = talk.hear_all()
        assert (said.resources, said.removed) == ({"a": "1"}, {"missing"})

    def test_dropping_a_name_says_whether_the_wildcard_still_covers_it(self) -> None:
        talk = DeltaTalk()
        talk.publish(1, {CLUSTER: {"a": "1"}})
        talk.ask(CLUSTER, "*", "a", "missing")
        talk.hear_all()
        talk.ask(CLUSTER, unsubscribe=["a", "missing"])
        (said,) = talk.hear_all()
        assert (said.resources, said.removed) == ({"a": "1"}, {"missing"})

    def test_dropping_the_wildcard_keeps_the_names(self) -> None:
        talk = DeltaTalk()
        talk.publish(1, {CLUSTER: {"a": "1", "b": "1"}})
        talk.ask(CLUSTER, "*", "a", "missing")
        talk.hear_all()
        talk.ask(CLUSTER, unsubscribe=["*"])
        (said,) = talk.hear_all()
        assert (said.resources, said.removed) == ({}, {"missing"})
        talk.publish(2, {CLUSTER: {"a": "2", "b": "2"}})
        (said,) = talk.hear_all()
        assert said.resources == {"a": "2"}

    def test_names_may_grow_to_everything(self) -> None:
        talk = DeltaTalk()
        talk.publish(1, {CLUSTER: {"a": "1", "b": "1"}})
        talk.ask(CLUSTER, "a")
        talk.hear_all()
        talk.ask(CLUSTER, "*")
        (said,) = talk.hear_all()
        assert said.resources == {"a": "1", "b": "1"}

    def test_asking_for_what_is_about_to_be_removed_gets_the_truth(self) -> None:
        talk = DeltaTalk()
        talk.publish(1, {CLUSTER: {"a": "1"}, ROUTE_CONFIGURATION: {"r": "to a"}})
        talk.ask(CLUSTER)
        talk.ask(ROUTE_CONFIGURATION, "r")
        talk.hear_all()
        talk.publish(2, {ROUTE_CONFIGURATION: {"r": "to b"}})
        routes = talk.hear()
        talk.ask(CLUSTER, "a")
        clusters = talk.hear()
        assert clusters.removed == {"a"}
        talk.ack(clusters)
        talk.ack(routes)
        assert talk.is_silent()


class TestComingBack:
    def test_equal_versions_get_nothing_but_their_ack_state(self) -> None:
        talk = DeltaTalk()
        talk.publish(4, {CLUSTER: {"a": "1"}, EDS: {"a": "1"}})
        talk.ask(CLUSTER, "*", versions={"a": version_of(CLUSTER, "a", "1")})
        talk.ask(EDS, "a", versions={"a": version_of(EDS, "a", "1")})
        assert talk.is_silent()
        for type_url in (CLUSTER, EDS):
            status = talk.type_status(type_url)
            assert (status.acked_revision, status.acked_version[:2]) == (4, "4-")
        assert talk.status.ready_revision == 4

    def test_what_differs_is_sent(self) -> None:
        talk = DeltaTalk()
        talk.ask(LISTENER, versions={"a": version_of(LISTENER, "a", "1"), "b": "old", "gone": "old"})
        talk.publish(1, {LISTENER: {"a": "1", "b": "1", "c": "1"}})
        assert talk.hear().resources == {"b": "1", "c": "1"}

    def test_a_wildcard_is_told_what_differs_from_where_its_proxy_is(self) -> None:
        talk = DeltaTalk()
        talk.publish(1, {LISTENER: {"a": "1", "b": "1"}})
        talk.ask(CLUSTER)
        talk.hear_all()
        talk.ask(LISTENER, versions={"a": version_of(LISTENER, "a", "1"), "gone": "old"})
        (said,) = talk.hear_all()
        assert (said.resources, said.removed) == ({"b": "1"}, {"gone"})

    def test_what_is_gone_is_removed(self) -> None:
        talk = DeltaTalk()
        talk.publish(1, {EDS: {"a": "1"}})
        talk.ask(EDS, "a", "gone", versions={"a": "old", "gone": "old", "not-subscribed": "old"})
        (said,) = talk.hear_all()
        assert (said.resources, said.removed) == ({"a": "1"}, frozenset())
        talk.now += 2
        (said,) = talk.hear_all()
        assert (said.resources, said.removed) == ({}, {"gone"})

    def test_a_name_beside_the_wildcard_is_told_missing_again(self) -> None:
        talk = DeltaTalk()
        talk.publish(1, {CLUSTER: {"a": "1"}})
        talk.ask(CLUSTER, "*", "a", "missing", versions={"a": version_of(CLUSTER, "a", "1")})
        (said,) = talk.hear_all()
        assert (said.resources, said.removed) == ({}, {"missing"})


class TestWarming:
    def test_a_changed_cluster_brings_its_endpoints_along(self) -> None:
        talk = DeltaTalk()
        talk.publish(1, {CLUSTER: {"a": "1", "b": "1"}, EDS: {"a": "1", "b": "1"}})
        talk.ask(CLUSTER)
        talk.ask(EDS, "a", "b")
        talk.hear_all()
        talk.publish(2, {CLUSTER: {"a": "2", "b": "1"}, EDS: {"a": "1", "b": "1"}})
        clusters, endpoints = talk.hear(), talk.hear()
        assert (clusters.type_url, clusters.resources) == (CLUSTER, {"a": "2"})
        assert (endpoints.type_url, endpoints.resources) == (EDS, {"a": "1"})

    def test_also_to_who_wants_all_endpoints(self) -> None:
        talk = DeltaTalk()
        talk.publish(1, {CLUSTER: {"a": "1"}, EDS: {"a": "1", "b": "1"}})
        talk.ask(CLUSTER)
        talk.ask(EDS, "*")
        talk.hear_all()
        talk.publish(2, {CLUSTER: {"a": "2"}, EDS: {"a": "1", "b": "1"}})
        assert [said.resources for said in talk.hear_all()] == [{"a": "2"}, {"a": "1"}]

    def test_endpoints_that_do_not_exist_are_not_called_missing_again(self) -> None:
        talk = DeltaTalk()
        talk.publish(1, {CLUSTER: {"a": "1"}})
        talk.ask(CLUSTER)
        talk.ask(EDS, "a")
        talk.hear_all()
        talk.publish(2, {CLUSTER: {"a": "2"}})
        assert [said.type_url for said in talk.hear_all()] == [CLUSTER]


def test_a_late_refusal_of_an_overtaken_response_is_seen() -> None:
    talk = DeltaTalk()
    talk.publish(1, {CLUSTER: {"a": "1"}})
    talk.ask(CLUSTER)
    talk.ack(talk.hear())
    talk.publish(2, {CLUSTER: {"a": "2"}})
    second = talk.hear()
    talk.publish(3, {CLUSTER: {"a": "2", "b": "1"}})
    talk.now += 5
    third = talk.hear()
    assert third.resources == {"b": "1"}
    talk.nack(second, "a is bad")
    talk.ack(third)
    status = talk.type_status(CLUSTER)
    assert (status.rejecting, status.nacked_revision, status.nack_text) == (True, 2, "a is bad")
    assert talk.status.ready_revision == 1


def test_a_late_refusal_of_what_is_gone_by_now_does_not_count() -> None:
    talk = DeltaTalk()
    talk.publish(1, {LISTENER: {"a": "1"}})
    talk.ask(LISTENER)
    first = talk.hear()
    talk.publish(2, {})
    talk.now += 5
    second = talk.hear()
    talk.nack(first, "a is bad")
    talk.ack(second)
    assert talk.status.ready_revision == 2
