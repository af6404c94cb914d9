from __future__ import annotations

import pytest

from dataplane.xds.delta import Delta
from dataplane.xds.messages import DeltaRequest, Request, Response, SotwRequest
from dataplane.xds.mux import Mux
from dataplane.xds.sotw import Sotw
from dataplane.xds.subscription import Subscription
from dataplane.xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE


def add(mux: Mux, type_url: str, *names: str) -> tuple[Subscription, list[str]]:
    subscription, told = Subscription(names), []
    machine = Delta(type_url, subscription, dict) if mux.delta else Sotw(type_url, subscription)
    mux.add(type_url, machine, lambda: told.append(type_url))
    return subscription, told


def said(mux: Mux) -> list[Request]:
    requests = []
    while (request := mux.next_request()) is not None:
        requests.append(request)
    return requests


@pytest.mark.parametrize("delta", [False, True])
def test_what_others_refer_to_is_asked_for_first(delta: bool) -> None:
    mux = Mux(delta)
    for type_url in ("custom", ROUTE, LISTENER, ENDPOINT, CLUSTER):
        add(mux, type_url, "a")
    assert [request.type_url for request in said(mux)] == [CLUSTER, ENDPOINT, LISTENER, ROUTE, "custom"]


def test_a_new_stream_says_everything_anew() -> None:
    mux = Mux(delta=True)
    add(mux, CLUSTER, "a")
    first = said(mux)
    mux.refuse_stranger(Response("X", "", "n", ()))
    mux.open()
    assert said(mux) == first


@pytest.mark.parametrize(
    ("delta", "answer"),
    [
        (True, DeltaRequest("X", response_nonce="n", error="no subscription for type URL 'X'")),
        (False, SotwRequest("X", (), response_nonce="n", error="no subscription for type URL 'X'")),
    ],
)
def test_a_response_of_a_type_that_nobody_asked_for_is_refused(delta: bool, answer: Request) -> None:
    mux = Mux(delta)
    assert mux.refuse_stranger(Response("X", "v", "n", ())) == "no subscription for type URL 'X'"
    assert said(mux) == [answer]


def test_a_delta_acknowledgement_does_not_tell_of_dropped_names() -> None:
    mux = Mux(delta=True)
    subscription = Subscription(("a",))
    machine, told = Delta(CLUSTER, subscription, dict), []
    mux.add(CLUSTER, machine, lambda: told.append("told"))
    said(mux)
    told.clear()
    machine.received("n", "")
    machine.accept()
    machine.change(subscription.replace(("b",)))
    assert mux.next_request() == DeltaRequest(CLUSTER, response_nonce="n")
    assert told == []
    assert mux.next_request() == DeltaRequest(CLUSTER, ("b",), ("a",))
    assert told == ["told"]


def test_one_stream_carries_a_type_once() -> None:
    mux = Mux(delta=True)
    add(mux, CLUSTER)
    with pytest.raises(AssertionError):
        add(mux, CLUSTER)
