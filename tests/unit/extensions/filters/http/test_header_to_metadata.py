"""Metadata made of headers and cookies."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.base.errors import ConfigError
from tests.support.engine import get
from tests.support.http_filters import compiled_extension, engine_with, http_filter

CONFIG = "envoy.extensions.filters.http.header_to_metadata.v3.Config"
DEFAULT = "envoy.filters.http.header_to_metadata"
REQUEST = get(b"/p", b"x-one: 1", b"x-one: 2", b"x-num: 2.5", b"x-b64: aGk=", b"x-long: " + b"a" * 8192, b"cookie: k=v")


def left_by(*rules: dict[str, Any]) -> Any:
    engine = engine_with(http_filter(CONFIG, {"request_rules": list(rules)}))
    client = engine.connect()
    client.send(REQUEST)
    engine.up.last.respond()
    return engine.log.last.dynamic_metadata


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ({"header": "X-One", "on_header_present": {"key": "k"}}, "1,2"),
        ({"header": "x-one", "on_header_present": {"key": "k", "value": "fixed"}}, "fixed"),
        ({"header": "x-num", "on_header_present": {"key": "k", "type": "NUMBER"}}, 2.5),
        ({"header": "x-one", "on_header_missing": {"key": "k", "value": "m"}}, None),
        ({"header": "x-one", "on_header_present": {"key": "k", "type": "NUMBER"}}, None),
        ({"header": "x-none", "on_header_missing": {"key": "k", "value": "3", "type": "NUMBER"}}, 3),
        ({"header": "x-b64", "on_header_present": {"key": "k", "encode": "BASE64"}}, "hi"),
        ({"header": "x-one", "on_header_present": {"key": "k", "encode": "BASE64"}}, None),
        ({"header": "x-long", "on_header_present": {"key": "k"}}, None),
        ({"header": ":path", "on_header_present": {"key": "k"}}, "/p"),
        ({"cookie": "k", "on_header_present": {"key": "k"}}, "v"),
        ({"cookie": "none", "on_header_missing": {"key": "k", "value": "m"}}, "m"),
    ],
)
def test_values(rule: dict[str, Any], value: object) -> None:
    assert left_by(rule) == (None if value is None else {DEFAULT: {"k": value}})


def test_a_value_may_be_rewritten_and_its_header_taken_off() -> None:
    rewrite = {"pattern": {"regex": "(\\d),(\\d)"}, "substitution": "\\2\\1"}
    rule = {
        "header": "x-one",
        "remove": True,
        "on_header_present": {"metadata_namespace": "n", "key": "k", "regex_value_rewrite": rewrite},
    }
    engine = engine_with(http_filter(CONFIG, {"request_rules": [rule]}))
    client = engine.connect()
    client.send(REQUEST)
    assert engine.up.last.field(b"x-one") is None
    engine.up.last.respond()
    assert engine.log.last.dynamic_metadata == {"n": {"k": "21"}}


def test_rules_of_a_route_on_responses() -> None:
    rule = {"header": "x-up", "on_header_present": {"key": "k"}, "remove": True}
    of_route = compiled_extension("envoy.filters.http.route", CONFIG, {"response_rules": [rule]})
    engine = engine_with(http_filter(CONFIG, {}), of_route)
    client = engine.connect()
    client.send(REQUEST)
    engine.up.last.respond(200, b"", (b"x-up", b"u"))
    assert b"x-up" not in client.take_response()[1]
    assert engine.log.last.dynamic_metadata == {DEFAULT: {"k": "u"}}


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"header": "h", "cookie": "c", "on_header_present": {"key": "k"}}, "both header and cookie"),
        ({"on_header_present": {"key": "k"}}, "One of Cookie or Header"),
        ({"header": "h"}, "neither"),
        ({"header": "h", "on_header_missing": {"key": "k"}}, "empty value"),
        ({"cookie": "c", "remove": True, "on_header_present": {"key": "k"}}, "remove for cookie"),
        (
            {
                "header": "h",
                "on_header_present": {
                    "key": "k",
                    "value": "v",
                    "regex_value_rewrite": {"pattern": {"regex": "a"}, "substitution": "b"},
                },
            },
            "both value and regex",
        ),
    ],
)
def test_rules_that_envoy_refuses(rule: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        http_filter(CONFIG, {"request_rules": [rule]})
