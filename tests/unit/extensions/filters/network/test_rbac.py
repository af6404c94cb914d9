"""Connections that policies allow or close, and the filters in front of a terminal one."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.base.errors import InvalidResource
from dataplane.listener.read_filters import create_filter
from tests.support.engine import Client, Engine, FakeTransport
from tests.support.http_filters import compiled_extension

RBAC = "envoy.extensions.filters.network.rbac.v3.RBAC"
EVERYTHING = {"permissions": [{"any": True}], "principals": [{"any": True}]}


def rbac(**content: Any) -> Any:
    return compiled_extension("envoy.filters.network", RBAC, {"stat_prefix": "edge", **content})


def rules(action: str, policy: dict[str, Any] = EVERYTHING) -> dict[str, Any]:
    return {"action": action, "policies": {"p": policy}}


class Terminal:
    """Keeps what reaches it."""

    half_close = False

    def __init__(self) -> None:
        self.seen: list[bytes | str] = []

    def create(self, connection: object) -> Terminal:
        return self

    def on_data(self, data: bytes) -> None:
        self.seen.append(data)

    def on_end(self) -> None:
        self.seen.append("end")

    def on_close(self, error: str) -> None:
        self.seen.append("close")


def behind(config: object, terminal: Terminal) -> tuple[Engine, Client]:
    """A connection whose chain is *config* and then *terminal*."""
    engine = Engine()
    client = engine.connect()
    client.connection.filter = create_filter((config, terminal), client.connection)
    return engine, client


def test_what_is_allowed_goes_on_and_is_asked_for_once() -> None:
    terminal = Terminal()
    engine, client = behind(rbac(rules=rules("ALLOW")), terminal)
    client.send(b"one", b"two")
    client.transport.close()
    assert terminal.seen == [b"one", b"two", "close"]
    assert engine.counter("edge.rbac.allowed") == 1


def test_continuous_enforcement_asks_every_time_and_at_the_end_of_a_direction() -> None:
    terminal = Terminal()
    engine, client = behind(rbac(rules=rules("ALLOW"), enforcement_type="CONTINUOUS"), terminal)
    client.send(b"one", b"two")
    client.connection.eof_received()
    assert engine.counter("edge.rbac.allowed") == 2
    terminal.half_close = True
    client.connection.eof_received()
    assert engine.counter("edge.rbac.allowed") == 3
    assert terminal.seen == [b"one", b"two", "end", "end"]


def test_what_is_denied_is_closed_and_says_why() -> None:
    terminal = Terminal()
    engine, client = behind(rbac(rules=rules("DENY"), shadow_rules=rules("ALLOW"), shadow_rules_stat_prefix="dry"), terminal)
    client.send(b"one")
    info = client.connection.info
    assert client.closed
    assert terminal.seen == ["close"]
    assert info.connection_termination_details == "rbac_access_denied_matched_policy[p]"
    assert info.local_close_reason == "rbac_deny_close"
    assert info.dynamic_metadata == {
        "envoy.filters.network.rbac": {"dryshadow_engine_result": "allowed", "dryshadow_effective_policy_id": "p"}
    }
    assert (engine.counter("edge.rbac.denied"), engine.counter("edge.rbac.dry.shadow_allowed")) == (1, 1)


def test_a_delayed_refusal_reads_nothing_meanwhile() -> None:
    terminal = Terminal()
    engine, client = behind(rbac(rules=rules("DENY"), delay_deny="2s"), terminal)
    client.send(b"one", b"two")
    transport: FakeTransport = client.transport
    assert (transport.reading, transport.closed, terminal.seen) == (False, False, [])
    engine.loop.advance(2.5)
    assert transport.closed
    assert engine.counter("edge.rbac.denied") == 1


def test_a_connection_that_goes_takes_its_delay_with_it() -> None:
    engine, client = behind(rbac(rules=rules("DENY"), delay_deny="2s"), Terminal())
    client.send(b"one")
    client.transport.close()
    engine.loop.advance(3)
    assert client.connection.info.local_close_reason == ""


@pytest.mark.parametrize(
    "policy",
    [
        {"permissions": [{"header": {"name": "a", "present_match": True}}], "principals": [{"any": True}]},
        {"permissions": [{"any": True}], "principals": [{"and_ids": {"ids": [{"not_id": {"header": {"name": "a"}}}]}}]},
        {"permissions": [{"or_rules": {"rules": [{"not_rule": {"header": {"name": "a"}}}]}}], "principals": [{"any": True}]},
    ],
)
def test_rules_on_headers_are_refused(policy: dict[str, Any]) -> None:
    with pytest.raises(InvalidResource, match="Found header rule"):
        rbac(rules=rules("ALLOW", policy))


def test_a_chain_of_one_filter_is_that_filter() -> None:
    terminal = Terminal()
    assert create_filter((terminal,), Engine().connect().connection) is terminal
