"""Which upgrades are allowed: the route's word, then the connection manager's."""

from __future__ import annotations

import pytest

from dataplane.http.config import UpgradeConfig
from dataplane.http.upgrade import fields_of, is_allowed, is_granted
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
    assert fields_of(headers) == [(0, (b"upgrade", b"x")), (2, (b"connection", b"x"))]


@pytest.mark.parametrize(
    ("method", "status", "granted"),
    [(b"GET", 101, True), (b"GET", 200, False), (b"CONNECT", 200, True), (b"CONNECT", 299, True), (b"CONNECT", 101, False)],
)
def test_what_grants_a_tunnel(method: bytes, status: int, granted: bool) -> None:
    assert is_granted(RequestHeaders(method, b"/", b"a.test"), ResponseHeaders(status)) is granted


def test_connect_is_an_upgrade_type() -> None:
    headers = RequestHeaders(b"CONNECT", b"", b"a.test:443")
    assert is_allowed((UpgradeConfig(b"connect"),), route(ForwardAction("up")), headers)
    assert not is_allowed(WEBSOCKET, route(ForwardAction("up")), headers)
