"""Per-filter configuration of four levels, merged so that the most specific one is found in one look-up."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.api import registry
from dataplane.compile.per_filter_config import KIND
from dataplane.routing.route import ForwardAction
from tests.support.compiling import errors, message, route_configuration, virtual_host


@pytest.fixture(autouse=True)
def _a_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter whose configuration is a Duration, compiled to its seconds."""
    monkeypatch.setitem(registry._compilers, (KIND, "google.protobuf.Duration"), lambda config, at, context: config.seconds)


def config(seconds: int) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.protobuf.Duration", "value": f"{seconds}s"}


def wrapped(seconds: int) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": config(seconds)}


def test_the_most_specific_level_wins_name_by_name() -> None:
    weighted = {"clusters": [{"name": "c", "weight": 1, "typed_per_filter_config": {"d": config(4)}}]}
    compiled = route_configuration(
        {
            "typed_per_filter_config": {name: config(1) for name in "abcd"},
            "virtual_hosts": [
                virtual_host(
                    {
                        "match": {"prefix": "/"},
                        "route": {"weighted_clusters": weighted},
                        "typed_per_filter_config": {"c": wrapped(3), "d": config(3)},
                    },
                    typed_per_filter_config={name: config(2) for name in "bcd"},
                )
            ],
        }
    )
    host = compiled.virtual_hosts[0]
    route = host.routes[0]
    assert isinstance(route.action, ForwardAction)
    assert compiled.per_filter_config == {"a": 1, "b": 1, "c": 1, "d": 1}
    assert host.per_filter_config == {"a": 1, "b": 2, "c": 2, "d": 2}
    assert route.per_filter_config == {"a": 1, "b": 2, "c": 3, "d": 3}
    assert route.action.weighted_clusters[0].per_filter_config == {"a": 1, "b": 2, "c": 3, "d": 4}


def test_a_level_without_its_own_shares_that_of_the_level_above() -> None:
    compiled = route_configuration(
        {
            "typed_per_filter_config": {"a": config(1)},
            "virtual_hosts": [virtual_host({"match": {"prefix": "/"}, "route": {"cluster": "c"}})],
        }
    )
    assert compiled.virtual_hosts[0].routes[0].per_filter_config is compiled.per_filter_config


@pytest.mark.parametrize("optional", [True, False])
def test_a_wrapper_without_configuration_is_an_error(optional: bool) -> None:
    empty = {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "is_optional": optional}
    content = {"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"], "typed_per_filter_config": {"a": empty}}]}
    assert errors(message("envoy.config.route.v3.RouteConfiguration", content)) == [
        "virtual_hosts[0].typed_per_filter_config.a.config: Empty route/virtual host per filter configuration for a filter"
    ]
