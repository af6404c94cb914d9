"""One stream with several types: whose turn it is, what waits, and what is too much."""

from __future__ import annotations

import pytest

from controlplane.base.type_url import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION
from controlplane.delivery import stream
from controlplane.delivery.stream import LimitExceeded
from tests.support.xds_talk import Contents, DeltaTalk, SotwTalk, Talk

EDS, LDS, RDS = CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION


def world(cluster: str) -> Contents:
    """Everything leads to one cluster."""
    return {CLUSTER: {cluster: "1"}, EDS: {cluster: "1"}, LDS: {"l": "1"}, RDS: {"r": f"to {cluster}"}}


def subscribe(talk: SotwTalk | DeltaTalk) -> None:
    """In the worst order."""
    talk.ask(RDS, "r")
    talk.ask(LDS)
    talk.ask(EDS, "blue", "green")
    talk.ask(CLUSTER)


@pytest.fixture(params=[SotwTalk, DeltaTalk])
def talk(request: pytest.FixtureRequest) -> Talk:
    """A client that has blue in every type."""
    made: SotwTalk | DeltaTalk = request.param()
    subscribe(made)
    made.publish(1, world("blue"))
    assert [said.type_url for said in made.hear_all()] == [CLUSTER, EDS, LDS, RDS]
    return made


def test_an_update_is_made_before_the_old_is_broken(talk: Talk) -> None:
    talk.publish(2, world("green"))
    clusters = talk.hear()
    assert "green" in clusters.resources
    assert not clusters.removed
    endpoints = talk.hear()
    assert "green" in endpoints.resources
    assert talk.is_silent()
    talk.ack(clusters)
    assert talk.is_silent()
    talk.ack(endpoints)
    routes = talk.hear()
    assert routes.resources == {"r": "to green"}
    assert talk.is_silent()
    assert talk.type_status(CLUSTER).held == 1
    talk.ack(routes)
    last = talk.hear()
    assert last.type_url == CLUSTER
    assert "blue" not in last.resources
    talk.ack(last)
    talk.hear_all()
    assert talk.type_status(CLUSTER).held == 0
    assert talk.status.ready_revision == 2


def test_a_bad_cluster_does_not_hold_up_the_routes(talk: Talk) -> None:
    talk.publish(2, world("green"))
    clusters = talk.hear()
    talk.ack(talk.hear())
    assert talk.is_silent()
    talk.nack(clusters, "green is bad")
    assert talk.hear().type_url == RDS
    assert talk.status.ready_revision == 1


def test_old_clusters_stay_while_the_new_routes_are_refused(talk: Talk) -> None:
    talk.publish(2, world("green"))
    talk.ack(talk.hear())
    talk.ack(talk.hear())
    talk.nack(talk.hear(), "r is bad")
    talk.now += 3600
    assert talk.is_silent()
    assert talk.type_status(CLUSTER).held == 1
    talk.publish(3, {**world("green"), RDS: {"r": "to green, well"}})
    assert [said.type_url for said in talk.hear_all()][:2] == [RDS, CLUSTER]
    assert talk.type_status(CLUSTER).held == 0


def test_a_client_that_does_not_answer_is_not_waited_for_without_end(talk: Talk) -> None:
    talk.publish(2, world("green"))
    talk.hear()
    talk.hear()
    assert talk.is_silent()
    assert talk.stream.wake_at == talk.now + 5
    talk.now += 5
    assert talk.hear().type_url == RDS
    assert talk.is_silent()
    talk.now += 10
    assert talk.hear().type_url == CLUSTER


def test_revisions_in_between_are_skipped(talk: Talk) -> None:
    talk.publish(2, world("green"))
    clusters = talk.hear()
    talk.publish(3, world("red"))
    talk.publish(4, world("blue"))
    talk.ack(clusters)
    talk.ack(talk.hear())
    rest = talk.hear_all()
    assert not any("red" in said.resources for said in rest)
    assert talk.status.ready_revision == 4
    assert [said.resources for said in rest if said.type_url == RDS][-1] == {"r": "to blue"}


def test_a_journey_that_is_stuck_gives_way_to_the_next_after_a_while(talk: Talk) -> None:
    talk.publish(2, world("green"))
    talk.hear()
    talk.publish(3, world("blue"))
    talk.hear()
    assert talk.is_silent()
    assert talk.stream.wake_at == talk.now + 5
    talk.now += 5
    talk.is_silent()
    assert talk.status.target_revision == 3


def test_every_request_wakes_the_writer_and_so_does_a_revision(talk: Talk) -> None:
    before = talk.woken
    talk.publish(2, world("blue"))
    assert talk.woken == before + 1
    talk.publish(3, world("green"))
    talk.ack(talk.hear())
    assert talk.woken == before + 3


def test_types_and_names_on_a_stream_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_TYPES", 2)
    monkeypatch.setattr(stream, "MAX_NAMES", 2)
    talk = DeltaTalk()
    talk.ask(EDS, "a", "b")
    with pytest.raises(LimitExceeded, match="more than 2 names"):
        talk.ask(EDS, "c")
    talk.ask(RDS, "r")
    with pytest.raises(LimitExceeded, match="more than 2 types"):
        talk.ask(LDS)


def test_nonces_of_different_types_and_streams_differ() -> None:
    talk = SotwTalk()
    other = SotwTalk(talk.hub)
    talk.publish(1, world("blue"))
    for each in (talk, other):
        each.ask(CLUSTER)
        each.ask(LDS)
    nonces = [said.nonce for each in (talk, other) for said in each.hear_all()]
    assert len(set(nonces)) == len(nonces) == 4
