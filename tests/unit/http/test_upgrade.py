"""Which upgrades are allowed: the route's word, then the connection manager's."""

from __future__ import annotations

import pytest

from dataplane.http.config import UpgradeConfig
from dataplane.http.upgrade import fields_of, is_allowed
from dataplane.routing.route import Action, DirectResponse, ForwardAction, Route
from dataplane.semantics.header_map import RequestHeaders, ResponseHeaders

WEBSOCKET = (UpgradeConfig(b"websocket"),)
OFF = (UpgradeConfig(b"websocket", enabled=False),)


def route(action: Action) -> Route:
    return Route("", lambda headers, path, query, random: True, action, b"")


@pytest.mark.parametrize(
    ("configs", "action", "wanted", "allowed"),
    [
        ((), ForwardAction("up"), b"websocket", False),
        (WEBSOCKET, ForwardAction("up"), b"WebSocket", True),
        (WEBSOCKET, ForwardAction("up"), b"other", False),
        (OFF, ForwardAction("up"), b"websocket", False),
        (OFF, ForwardAction("up", upgrades=((b"websocket", True),)), b"websocket", True),
        (WEBSOCKET, ForwardAction("up", upgrades=((b"websocket", False),)), b"websocket", False),
        (WEBSOCKET, ForwardAction("up", upgrades=((b"other", False),)), b"websocket", True),
        (WEBSOCKET, DirectResponse(200), b"websocket", True),
    ],
)
def test_is_allowed(configs: tuple[UpgradeConfig, ...], action: Action, wanted: bytes, allowed: bool) -> None:
    headers = RequestHeaders(b"GET", b"/", b"a.test", b"http")
    headers.add(b"upgrade", wanted)
    assert is_allowed(configs, route(action), headers) is allowed


def test_the_answer_keeps_what_says_upgrade() -> None:
    headers = ResponseHeaders(101)
    for name in (b"upgrade", b"date", b"connection"):
        headers.add(name, b"x")
    assert fields_of(headers) == [(b"upgrade", b"x"), (b"connection", b"x")]
