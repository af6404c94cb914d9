"""Who waits for whom, and how long."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from controlplane.base import type_url as urls
from controlplane.base.resource import Resource
from controlplane.delivery.order import BREAK_AFTER, FOREVER, PUSH_ORDER, Hold, Patience, Wait, break_wait, make_wait, rank

NOW = 50.0
PATIENCE = Patience(make=5.0, break_=15.0, greeting=2.0)


@dataclass
class Other:
    """Another type on the same proxy."""

    type_url: str
    busy_since: float | None = None
    pending: bool = False
    accepted: int = 0
    rejecting: bool = False
    holding: bool = False
    removing: bool = False


def hold(journey: int, since: float = NOW) -> Hold:
    return Hold(Resource.of(urls.CLUSTER, "c", b""), journey, since)


def test_types_are_told_of_in_the_order_of_the_protocol() -> None:
    order = [urls.CLUSTER, urls.CLUSTER_LOAD_ASSIGNMENT, urls.LISTENER, urls.ROUTE_CONFIGURATION, urls.VIRTUAL_HOST]
    assert [rank(type_url) for type_url in order] == sorted(rank(type_url) for type_url in order)
    assert rank("type.googleapis.com/of.Somebody.Else") == len(PUSH_ORDER)


@pytest.mark.parametrize("type_url", [urls.LISTENER, urls.ROUTE_CONFIGURATION, urls.EXTENSION_CONFIG])
@pytest.mark.parametrize("first", [urls.CLUSTER, urls.CLUSTER_LOAD_ASSIGNMENT])
def test_listeners_and_routes_wait_for_the_answer_to_clusters_and_endpoints(type_url: str, first: str) -> None:
    assert make_wait(type_url, [Other(first, busy_since=NOW - 1)], NOW, PATIENCE) == Wait(NOW + 4)
    assert make_wait(type_url, [Other(first, busy_since=NOW - 5)], NOW, PATIENCE) is None
    assert make_wait(type_url, [Other(first)], NOW, PATIENCE) is None


def test_endpoints_wait_until_clusters_are_sent_but_not_for_their_answer() -> None:
    clusters = Other(urls.CLUSTER, busy_since=NOW, pending=True)
    assert make_wait(urls.CLUSTER_LOAD_ASSIGNMENT, [clusters], NOW, PATIENCE) == Wait(NOW + 5)
    clusters.pending = False
    assert make_wait(urls.CLUSTER_LOAD_ASSIGNMENT, [clusters], NOW, PATIENCE) is None


def test_clusters_secrets_and_unknown_types_wait_for_nobody() -> None:
    others = [Other(type_url, busy_since=NOW, pending=True) for type_url in PUSH_ORDER]
    for type_url in (urls.CLUSTER, urls.SECRET, urls.RUNTIME, "type.googleapis.com/of.Somebody.Else"):
        assert make_wait(type_url, others, NOW, PATIENCE) is None


def test_a_cluster_goes_when_its_users_have_accepted_the_journey_without_it() -> None:
    routes = Other(urls.ROUTE_CONFIGURATION, accepted=6, busy_since=NOW - 1)
    listeners = Other(urls.LISTENER, accepted=7)
    assert break_wait(urls.CLUSTER, hold(7), [listeners, routes], None, NOW, PATIENCE) == Wait(NOW + 14)
    routes.accepted = 7
    assert break_wait(urls.CLUSTER, hold(7), [listeners, routes], None, NOW, PATIENCE) is None


def test_a_user_that_does_not_answer_is_waited_for_only_so_long() -> None:
    routes = Other(urls.ROUTE_CONFIGURATION, accepted=6, busy_since=NOW - 15)
    assert break_wait(urls.CLUSTER, hold(7), [routes], None, NOW, PATIENCE) is None


def test_a_user_that_has_just_been_asked_again_gets_its_time_however_long_the_removal_waits() -> None:
    routes = Other(urls.ROUTE_CONFIGURATION, accepted=6, busy_since=NOW)
    assert break_wait(urls.CLUSTER, hold(7, since=NOW - 1000), [routes], None, NOW, PATIENCE) == Wait(NOW + 15)


def test_a_user_that_refuses_is_waited_for_without_end() -> None:
    routes = Other(urls.ROUTE_CONFIGURATION, accepted=6, rejecting=True)
    assert break_wait(urls.CLUSTER, hold(7, since=NOW - 1000), [routes], None, NOW, PATIENCE) == Wait(FOREVER)


def test_endpoints_go_only_after_their_cluster() -> None:
    clusters = Other(urls.CLUSTER, accepted=7, holding=True)
    assert break_wait(urls.CLUSTER_LOAD_ASSIGNMENT, hold(7), [clusters], None, NOW, PATIENCE) == Wait(FOREVER)
    clusters.holding, clusters.removing, clusters.busy_since = False, True, NOW
    assert break_wait(urls.CLUSTER_LOAD_ASSIGNMENT, hold(7), [clusters], None, NOW, PATIENCE) == Wait(NOW + 15)
    clusters.removing = False
    assert break_wait(urls.CLUSTER_LOAD_ASSIGNMENT, hold(7), [clusters], None, NOW, PATIENCE) is None


def test_who_comes_back_with_resources_gets_time_to_ask_for_what_uses_them() -> None:
    assert break_wait(urls.CLUSTER, hold(7), [], NOW - 1, NOW, PATIENCE) == Wait(NOW + 1)
    assert break_wait(urls.CLUSTER, hold(7), [], NOW - 2, NOW, PATIENCE) is None
    assert break_wait(urls.LISTENER, hold(7), [], NOW, NOW, PATIENCE) is None


def test_no_type_waits_in_a_circle_to_be_removed() -> None:
    def waits_for(type_url: str) -> set[str]:
        direct = set(BREAK_AFTER.get(type_url, ()))
        return direct | {far for near in direct for far in waits_for(near)}

    for type_url in PUSH_ORDER:
        assert type_url not in waits_for(type_url)
