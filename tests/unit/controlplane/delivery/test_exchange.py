"""Nonces: which response a request answers, and what stays refused after a NACK."""

from __future__ import annotations

import pytest

from controlplane.base.type_url import CLUSTER
from controlplane.delivery.exchange import MAX_OVERTAKEN, Answer, Exchange, Sent, Stamp
from controlplane.delivery.snapshot import TypeView, advance
from tests.support.xds_talk import resources

WALL = 5.0


def view(revision: int, **contents: str) -> TypeView:
    return advance(None, resources(revision, {CLUSTER: contents})).view(CLUSTER)


def sent(of: TypeView, *names: str) -> Sent:
    return Sent(Stamp(of.version, of.since, 1, 1.0), of, names or tuple(of.resources))


def test_the_first_request_answers_nothing_even_with_a_nonce_of_another_stream() -> None:
    exchange = Exchange("s.", answers_each=False)
    assert exchange.receive("", None, WALL) is Answer.SPONTANEOUS
    assert exchange.receive("of-another-stream", None, WALL) is Answer.SPONTANEOUS


def test_ack_and_nack_are_told_apart_by_the_error() -> None:
    exchange = Exchange("s.", answers_each=False)
    one, two = view(1, a="1"), view(2, a="2")
    assert exchange.receive(exchange.send(sent(one)), None, WALL) is Answer.ACK
    assert exchange.receive(exchange.send(sent(two)), "no", WALL) is Answer.NACK
    assert (exchange.acked.version, exchange.acked.revision, exchange.acked.wall) == (one.version, 1, WALL)
    assert (exchange.nacked.version, exchange.nack_text) == (two.version, "no")
    assert exchange.sent.version == two.version


def test_only_the_first_request_with_a_nonce_is_its_answer() -> None:
    exchange = Exchange("s.", answers_each=False)
    nonce = exchange.send(sent(view(1, a="1")))
    exchange.receive(nonce, "no", WALL)
    assert exchange.receive(nonce, None, WALL) is Answer.SPONTANEOUS
    assert exchange.acked.version == ""


def test_nonces_are_new_each_time() -> None:
    exchange = Exchange("s.", answers_each=False)
    nonces = []
    for revision in range(1, 4):
        nonces.append(exchange.send(sent(view(revision, a="1"))))
        exchange.receive(nonces[-1], None, WALL)
    assert len(set(nonces)) == 3
    assert all(nonce.startswith("s.") for nonce in nonces)


def test_sotw_an_overtaken_response_is_stale() -> None:
    exchange = Exchange("s.", answers_each=False)
    first = exchange.send(sent(view(1, a="1")))
    second = exchange.send(sent(view(2, a="2")))
    assert exchange.receive(first, "no", WALL) is Answer.STALE
    assert exchange.nack_text == ""
    assert exchange.receive(second, None, WALL) is Answer.ACK


def test_delta_an_overtaken_response_is_still_answered() -> None:
    exchange = Exchange("s.", answers_each=True)
    first = exchange.send(sent(view(1, a="1")))
    second = exchange.send(sent(view(2, b="2")))
    assert exchange.receive(first, "no a", WALL) is Answer.NACK
    assert exchange.receive(first, None, WALL) is Answer.STALE
    assert exchange.receive(second, None, WALL) is Answer.ACK
    assert set(exchange.refused.versions) == {"a"}


def test_delta_answers_are_not_waited_for_without_end() -> None:
    exchange = Exchange("s.", answers_each=True)
    nonces = [exchange.send(sent(view(revision, a="1"))) for revision in range(1, MAX_OVERTAKEN + 3)]
    assert exchange.receive(nonces[0], None, WALL) is Answer.STALE
    assert exchange.receive(nonces[1], None, WALL) is Answer.ACK


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("Error adding cluster web: no", {"web"}),
        ("Cluster{web}.lb_policy: no; Cluster{api.v1}.name: no", {"web", "api.v1"}),
        ('name: "web-canary" is bad', {"web-canary"}),
        ("api.v1.", {"api.v1"}),
    ],
)
def test_a_nack_that_names_resources_refuses_these(text: str, refused: set[str]) -> None:
    exchange = Exchange("s.", answers_each=True)
    all_names = {"web": "1", "web-canary": "1", "api": "1", "api.v1": "1"}
    exchange.receive(exchange.send(sent(view(1, **all_names))), text, WALL)
    assert set(exchange.refused.versions) == refused


def test_a_nack_of_a_single_resource_refuses_it_whatever_it_says() -> None:
    exchange = Exchange("s.", answers_each=True)
    exchange.receive(exchange.send(sent(view(1, a="1", b="1"), "b")), "broken", WALL)
    assert set(exchange.refused.versions) == {"b"}


def test_a_refused_resource_stays_so_until_it_is_accepted_or_is_another() -> None:
    exchange = Exchange("s.", answers_each=True)
    bad = view(1, a="1", b="1")
    exchange.receive(exchange.send(sent(bad)), "a and b", WALL)
    exchange.receive(exchange.send(sent(view(2, b="2"))), None, WALL)
    assert set(exchange.refused.versions) == {"a"}
    exchange.refused.forget_changed(bad)
    assert exchange.refused
    exchange.refused.forget_changed(view(3, a="3"))
    assert not exchange.refused


def test_a_nack_that_names_nothing_lasts_until_the_next_ack() -> None:
    exchange = Exchange("s.", answers_each=True)
    exchange.receive(exchange.send(sent(view(1, a="1", b="1"))), "broken", WALL)
    exchange.refused.forget_changed(view(2, a="2"))
    assert exchange.refused
    exchange.receive(exchange.send(sent(view(2, a="2"))), None, WALL)
    assert not exchange.refused


def test_what_a_client_does_not_want_any_more_it_does_not_refuse() -> None:
    exchange = Exchange("s.", answers_each=True)
    exchange.receive(exchange.send(sent(view(1, a="1", b="1"))), "a and b", WALL)
    exchange.refused.forget_all_but({"b"})
    assert set(exchange.refused.versions) == {"b"}
    exchange.receive(exchange.send(sent(view(2, c="1", d="1"))), "broken", WALL)
    exchange.refused.forget_all_but({"c"})
    assert exchange.refused
    exchange.refused.forget_all_but(())
    assert not exchange.refused
