"""Who is connected, in which group, how far they are, and what happened to them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from controlplane.base.resource import DEFAULT_GROUP, GroupName
from controlplane.base.type_url import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION
from controlplane.delivery import hub as hub_module
from controlplane.delivery.hub import REMEMBER_SECONDS, Hub
from controlplane.delivery.status import NodeFacts, ProxyEvent, StreamKind
from tests.support.xds_talk import NODE, DeltaTalk, SotwTalk, resources

EDS, LDS, RDS = CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION
CANARY = GroupName("canary")


class Clock:
    def __init__(self) -> None:
        self.wall = 1000.0

    def __call__(self) -> float:
        return self.wall


class Groups:
    """A selection that a test changes."""

    def __init__(self) -> None:
        self.of: dict[str, GroupName] = {}

    def __call__(self, node: NodeFacts) -> GroupName:
        return self.of.get(node.node_id, DEFAULT_GROUP)


def test_each_group_gets_its_own() -> None:
    groups = Groups()
    groups.of["c"] = CANARY
    hub = Hub(groups, Clock())
    plain, canary = SotwTalk(hub, NodeFacts("p")), SotwTalk(hub, NodeFacts("c"))
    for talk in (plain, canary):
        talk.ask(CLUSTER)
    hub.publish(DEFAULT_GROUP, resources(1, {CLUSTER: {"a": "1"}}))
    assert plain.hear().resources == {"a": "1"}
    assert canary.is_silent()
    hub.publish(CANARY, resources(1, {CLUSTER: {"b": "1"}}))
    assert canary.hear().resources == {"b": "1"}
    assert plain.is_silent()


def test_a_proxy_that_is_selected_anew_travels_to_its_new_group() -> None:
    groups = Groups()
    hub = Hub(groups, Clock())
    talk = DeltaTalk(hub)
    talk.ask(CLUSTER)
    talk.ask(RDS, "r")
    hub.publish(DEFAULT_GROUP, resources(1, {CLUSTER: {"a": "1"}, RDS: {"r": "to a"}}))
    hub.publish(CANARY, resources(1, {CLUSTER: {"b": "1"}, RDS: {"r": "to b"}}))
    talk.hear_all()
    groups.of["node"] = CANARY
    hub.reselect()
    heard = [(said.resources, said.removed) for said in talk.hear_all()]
    assert heard == [({"b": "1"}, frozenset()), ({"r": "to b"}, frozenset()), ({}, {"a"})]
    assert talk.status.group == CANARY


def test_a_group_without_any_configuration_leaves_a_proxy_as_it_is() -> None:
    groups = Groups()
    hub = Hub(groups, Clock())
    talk = SotwTalk(hub)
    talk.ask(CLUSTER)
    hub.publish(DEFAULT_GROUP, resources(1, {CLUSTER: {"a": "1"}}))
    talk.hear_all()
    groups.of["node"] = CANARY
    hub.reselect()
    hub.reselect()
    assert talk.is_silent()
    assert talk.status.group == CANARY


def test_status_tells_who_and_how_far() -> None:
    clock = Clock()
    hub = Hub(Groups(), clock)
    talk = SotwTalk(hub, replace(NODE, node_cluster="edge"), peer="ipv4:10.0.0.1:5")
    before = talk.status
    assert (before.target_revision, before.ready_revision, before.types) == (0, 0, ())
    talk.ask(CLUSTER)
    talk.ask(EDS, "a", "b")
    hub.publish(DEFAULT_GROUP, resources(3, {CLUSTER: {"a": "1"}, EDS: {"a": "1"}}))
    talk.ack(talk.hear())
    endpoints = talk.hear()
    status = talk.status
    assert (status.node.node_cluster, status.peer, status.connected_since) == ("edge", "ipv4:10.0.0.1:5", 1000.0)
    assert status.kinds == (StreamKind.ADS_SOTW,)
    assert (status.target_revision, status.ready_revision) == (3, 0)
    clusters = talk.type_status(CLUSTER)
    assert (clusters.wildcard, clusters.names, clusters.acked_revision, clusters.acked_at) == (True, 0, 3, talk.now)
    unanswered = talk.type_status(EDS)
    assert (unanswered.wildcard, unanswered.names) == (False, 2)
    assert (unanswered.sent_revision, unanswered.acked_revision) == (3, 0)
    assert unanswered.sent_version == endpoints.version
    talk.ack(endpoints)
    assert talk.status.ready_revision == 3


def test_one_that_has_gone_is_remembered_for_a_while() -> None:
    clock = Clock()
    hub = Hub(Groups(), clock)
    talk = SotwTalk(hub)
    clock.wall += 5
    assert hub.wall() == 1005.0
    talk.close()
    (gone,) = hub.proxies()
    assert (gone.connected_since, gone.disconnected_at) == (1000.0, 1005.0)
    clock.wall += REMEMBER_SECONDS + 1
    assert hub.proxies() == ()


def test_one_that_has_come_back_is_listed_once() -> None:
    hub = Hub(Groups(), Clock())
    SotwTalk(hub).close()
    back = SotwTalk(hub)
    (status,) = hub.proxies()
    assert status.disconnected_at is None
    assert status.proxy_id == back.stream.proxy.proxy_id == 2


def test_memory_of_those_gone_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "MAX_REMEMBERED", 2)
    hub = Hub(Groups(), Clock())
    for number in range(3):
        SotwTalk(hub, NodeFacts(f"n{number}")).close()
    assert [status.node.node_id for status in hub.proxies()] == ["n1", "n2"]


def test_two_proxies_with_one_node_id_are_two() -> None:
    hub = Hub(Groups(), Clock())
    SotwTalk(hub, peer="a")
    SotwTalk(hub, peer="a")
    assert len({status.proxy_id for status in hub.proxies()}) == 2


class TestStreamsApart:
    """Without ADS a proxy has a stream for each type, or even for each resource."""

    def talks(self, hub: Hub) -> tuple[SotwTalk, SotwTalk, SotwTalk, SotwTalk]:
        first, second, third, fourth = (SotwTalk(hub, kind=StreamKind.SOTW) for _ in range(4))
        first.ask(CLUSTER)
        second.ask(EDS, "a")
        third.ask(EDS, "b")
        fourth.ask(RDS, "r")
        return first, second, third, fourth

    def test_they_are_one_proxy_while_any_of_them_is_open(self) -> None:
        hub = Hub(Groups(), Clock())
        talks = self.talks(hub)
        hub.publish(DEFAULT_GROUP, resources(1, {CLUSTER: {"a": "1"}, EDS: {"a": "1", "b": "1"}, RDS: {"r": "to a"}}))
        for talk in talks:
            talk.hear_all()
        (status,) = hub.proxies()
        assert status.kinds == (StreamKind.SOTW,)
        assert [(each.type_url, each.names) for each in status.types] == [(CLUSTER, 0), (EDS, 2), (RDS, 1)]
        assert status.ready_revision == 1
        for talk in talks[:3]:
            talk.close()
        assert [each.type_url for each in talks[3].status.types] == [RDS]
        talks[3].close()
        assert hub.proxies()[0].disconnected_at is not None

    def test_make_before_break_holds_across_them(self) -> None:
        hub = Hub(Groups(), Clock())
        clusters, endpoints, _, routes = self.talks(hub)
        everything = (clusters, endpoints, routes)
        hub.publish(DEFAULT_GROUP, resources(1, {CLUSTER: {"a": "1"}, EDS: {"a": "1"}, RDS: {"r": "to a"}}))
        for talk in everything:
            talk.hear_all()
        hub.publish(DEFAULT_GROUP, resources(2, {CLUSTER: {"b": "1"}, RDS: {"r": "to b"}}))
        assert routes.is_silent()
        (said,) = clusters.hear_all()
        assert set(said.resources) == {"a", "b"}
        woken = clusters.woken
        (said,) = routes.hear_all()
        assert said.resources == {"r": "to b"}
        assert clusters.woken > woken
        (said,) = clusters.hear_all()
        assert set(said.resources) == {"b"}

    def test_a_stream_that_ends_is_not_waited_for(self) -> None:
        hub = Hub(Groups(), Clock())
        clusters, _, _, routes = self.talks(hub)
        hub.publish(DEFAULT_GROUP, resources(1, {CLUSTER: {"a": "1"}, RDS: {"r": "to a"}}))
        assert routes.is_silent()
        woken = routes.woken
        clusters.close()
        assert routes.woken > woken
        assert routes.hear().resources == {"r": "to a"}


def test_events_tell_the_story() -> None:
    async def scenario() -> list[ProxyEvent]:
        clock, groups = Clock(), Groups()
        hub = Hub(groups, clock)
        SotwTalk(hub).close()  # nobody listens yet
        reader = hub.subscribe_events()
        talk = SotwTalk(hub)
        talk.ask(LDS)
        hub.publish(DEFAULT_GROUP, resources(1, {LDS: {"l": "1"}}))
        talk.hear_all()
        hub.publish(DEFAULT_GROUP, resources(2, {LDS: {"l": "2"}}))
        talk.nack(talk.hear(), "l is bad")
        groups.of["node"] = CANARY
        hub.reselect()
        talk.close()
        return [await anext(reader) for _ in range(8)]

    events = asyncio.run(scenario())
    assert [(event.kind.value, event.type_url, event.revision, event.text) for event in events] == [
        ("connected", "", 0, ""),
        ("sent", LDS, 1, ""),
        ("acked", LDS, 1, ""),
        ("ready", "", 1, ""),
        ("sent", LDS, 2, ""),
        ("nacked", LDS, 2, "l is bad"),
        ("regrouped", "", 0, ""),
        ("disconnected", "", 0, ""),
    ]
    assert {event.node_id for event in events} == {"node"}
    assert events[0].group == DEFAULT_GROUP
    assert events[-1].group == CANARY


def test_what_a_node_would_get() -> None:
    hub = Hub(Groups(), Clock())
    assert hub.snapshot(NODE) is None
    hub.publish(DEFAULT_GROUP, resources(1, {CLUSTER: {"a": "1"}}))
    snapshot = hub.snapshot(NODE)
    assert snapshot is not None
    assert set(snapshot.view(CLUSTER).resources) == {"a"}
