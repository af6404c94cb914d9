"""Cross-origin requests by the policy of their route."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.routing.route import DirectResponse, ForwardAction, WeightedCluster
from tests.support.engine import Engine, get, route
from tests.support.http_filters import compiled_extension, engine_with, http_filter

CORS = "envoy.extensions.filters.http.cors.v3.Cors"
POLICY = "envoy.extensions.filters.http.cors.v3.CorsPolicy"
GOOD = {"allow_origin_string_match": [{"exact": "http://good.test"}]}
ALLOW_ORIGIN = b"access-control-allow-origin"


def policy(**content: Any) -> Any:
    return compiled_extension("envoy.filters.http.route", POLICY, {**GOOD, **content})


def ask(engine: Engine, *fields: bytes, method: bytes = b"GET", origin: bytes = b"http://good.test") -> dict[bytes, bytes]:
    """The fields of the answer; the upstream's own if it was asked."""
    client = engine.connect()
    client.send(get(b"/", b"origin: " + origin, *fields, method=method))
    if engine.up.exchanges:
        engine.up.last.respond(200, b"", (ALLOW_ORIGIN, b"other"))
    return client.take_response()[1]


@pytest.mark.parametrize(
    ("content", "origin", "allowed", "valid", "invalid"),
    [
        ({}, b"http://good.test", b"http://good.test", 1, 0),
        ({}, b"http://bad.test", b"other", 0, 1),
        ({}, b"", b"other", 0, 0),
        ({"filter_enabled": {"default_value": {"numerator": 0}}}, b"http://good.test", b"other", 0, 0),
        (
            {"filter_enabled": {"default_value": {"numerator": 0}}, "shadow_enabled": {"default_value": {"numerator": 100}}},
            b"http://good.test",
            b"other",
            1,
            0,
        ),
    ],
)
def test_responses_are_marked(content: dict[str, Any], origin: bytes, allowed: bytes, valid: int, invalid: int) -> None:
    engine = engine_with(http_filter(CORS, {}), policy(**content))
    assert ask(engine, origin=origin)[ALLOW_ORIGIN] == allowed
    assert engine.counter("http.test.cors.origin_valid") == valid
    assert engine.counter("http.test.cors.origin_invalid") == invalid


def test_a_preflight_is_answered_and_goes_nowhere() -> None:
    engine = engine_with(http_filter(CORS, {}), policy(allow_methods="GET", max_age="5", allow_credentials=True))
    fields = ask(engine, b"access-control-request-method: PUT", method=b"OPTIONS")
    assert engine.up.exchanges == []
    assert fields[b"access-control-allow-methods"] == b"GET"
    assert fields[b"access-control-max-age"] == b"5"
    assert fields[b"access-control-allow-credentials"] == b"true"
    assert engine.log.last.response_code_details == "cors_response"


@pytest.mark.parametrize(("asked", "told"), [(b"true", True), (b"false", False)])
def test_a_private_network(asked: bytes, told: bool) -> None:
    engine = engine_with(http_filter(CORS, {}), policy(allow_private_network_access=True))
    network = b"access-control-request-private-network: " + asked
    fields = ask(engine, b"access-control-request-method: PUT", network, method=b"OPTIONS")
    assert (b"access-control-allow-private-network" in fields) is told


@pytest.mark.parametrize(("forward", "asked"), [(True, 1), (False, 0)])
def test_a_preflight_that_is_not_allowed(forward: bool, asked: int) -> None:
    engine = engine_with(http_filter(CORS, {}), policy(forward_not_matching_preflights=forward))
    fields = ask(engine, b"access-control-request-method: PUT", method=b"OPTIONS", origin=b"http://bad.test")
    assert len(engine.up.exchanges) == asked
    assert (ALLOW_ORIGIN in fields) is forward


def test_without_a_policy_nothing_happens() -> None:
    engine = engine_with(http_filter(CORS, {}))
    assert ask(engine)[ALLOW_ORIGIN] == b"other"


def test_what_is_answered_here_has_no_policy() -> None:
    routes = [route(action=DirectResponse(200), per_filter_config={"filter-0": policy()})]
    assert ALLOW_ORIGIN not in ask(Engine(filters=[http_filter(CORS, {})], routes=routes))


def test_the_policy_of_a_weighted_choice_comes_first() -> None:
    choice = WeightedCluster("up", 1, per_filter_config={"filter-0": policy(expose_headers="x-of-choice")})
    action = ForwardAction(weighted_clusters=(choice,), total_weight=1)
    routes = [route(action=action, per_filter_config={"filter-0": policy(expose_headers="x-of-route")})]
    engine = Engine(filters=[http_filter(CORS, {})], routes=routes)
    assert ask(engine)[b"access-control-expose-headers"] == b"x-of-choice"


def test_a_policy_says_only_what_differs_from_the_level_above() -> None:
    above = policy(allow_methods="GET", max_age="5", allow_credentials=True, expose_headers="x")
    own = compiled_extension("envoy.filters.http.route", POLICY, {"allow_methods": "PUT", "allow_credentials": False})
    both = own.over(above)
    assert (both.allow_methods, both.max_age, both.allow_credentials, both.expose_headers) == (b"PUT", b"5", False, b"x")
    assert both.allows(b"http://good.test")
    assert own.over(None) is own
