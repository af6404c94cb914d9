"""Requests that policies allow or refuse: what is counted and left behind."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.engine import Engine, get
from tests.support.http_filters import compiled_extension, engine_with, http_filter

RBAC = "envoy.extensions.filters.http.rbac.v3.RBAC"
PER_ROUTE = "envoy.extensions.filters.http.rbac.v3.RBACPerRoute"
EVERYTHING = {"permissions": [{"any": True}], "principals": [{"any": True}]}


def rules(action: str, *names: str) -> dict[str, Any]:
    return {"action": action, "policies": dict.fromkeys(names, EVERYTHING)}


def status_of(engine: Engine) -> int:
    client = engine.connect()
    client.send(get())
    if engine.up.exchanges:
        engine.up.last.respond()
    return client.take_response()[0]


@pytest.mark.parametrize(
    ("content", "status", "stat"),
    [
        ({"rules": rules("ALLOW", "p")}, 200, "allowed"),
        ({"rules": rules("ALLOW")}, 403, "denied"),
        ({"rules": rules("DENY", "p")}, 403, "denied"),
        ({"rules": rules("DENY")}, 200, "allowed"),
        ({"rules": rules("LOG", "p")}, 200, "allowed"),
        ({"shadow_rules": rules("DENY", "p")}, 200, "shadow_denied"),
        ({"rules": rules("DENY", "p"), "rules_stat_prefix": "mine"}, 403, "mine.denied"),
        ({"shadow_rules": rules("ALLOW", "p"), "shadow_rules_stat_prefix": "dry_"}, 200, "dry_.shadow_allowed"),
        ({"rules": rules("DENY", "p q"), "track_per_rule_stats": True}, 403, "policy.p q.denied"),
    ],
)
def test_what_the_action_makes_of_a_match(content: dict[str, Any], status: int, stat: str) -> None:
    engine = engine_with(http_filter(RBAC, content))
    assert status_of(engine) == status
    assert engine.counter(f"http.test.rbac.{stat}") == 1


def test_a_refusal_says_which_policy_it_was() -> None:
    engine = engine_with(http_filter(RBAC, {"rules": rules("DENY", "z", "b c")}))
    assert status_of(engine) == 403
    assert engine.log.last.response_code_details == "rbac_access_denied_matched_policy[b_c]"
    assert engine.log.last.dynamic_metadata == {
        "envoy.filters.http.rbac": {"enforced_engine_result": "denied", "enforced_effective_policy_id": "b c"}
    }


def test_shadow_rules_and_logging_leave_metadata_alone() -> None:
    content = {"rules": rules("LOG", "p"), "shadow_rules": rules("ALLOW"), "shadow_rules_stat_prefix": "dry_"}
    engine = engine_with(http_filter(RBAC, content))
    assert status_of(engine) == 200
    assert engine.log.last.dynamic_metadata == {
        "envoy.common": {"access_log_hint": True},
        "envoy.filters.http.rbac": {
            "dry_shadow_engine_result": "denied",
            "enforced_engine_result": "allowed",
            "enforced_effective_policy_id": "p",
        },
    }


@pytest.mark.parametrize(("per_route", "status"), [({}, 200), ({"rbac": {"rules": rules("DENY", "here")}}, 403)])
def test_rules_of_a_route_take_the_place_of_the_filters_own(per_route: dict[str, Any], status: int) -> None:
    own = http_filter(RBAC, {"rules": rules("DENY")})
    of_route = compiled_extension("envoy.filters.http.route", PER_ROUTE, per_route)
    assert status_of(engine_with(own, of_route)) == status
