"""Scoped routes of a connection manager, and the scopes that SRDS brings."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.compile.context import CompileContext
from dataplane.routing.scopes import RouteScope
from tests.support.compiling import compiled, errors, message
from tests.support.http_filters import compiled_extension

MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
SCOPE = "envoy.config.route.v3.ScopedRouteConfiguration"
EXTRACTOR = {"name": "X-One", "index": 0}
TABLE = {
    "name": "t",
    "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "c"}}]}],
}


def key(*fragments: str) -> dict[str, Any]:
    return {"fragments": [{"string_key": each} for each in fragments]}


def manager(extractor: dict[str, Any] = EXTRACTOR, **scoped: Any) -> dict[str, Any]:
    builder = {"fragments": [{"header_value_extractor": extractor}]}
    return {"stat_prefix": "m", "scoped_routes": {"name": "s", "scope_key_builder": builder, **scoped}}


def inline(*scopes: dict[str, Any]) -> dict[str, Any]:
    return {"scoped_route_configurations_list": {"scoped_route_configurations": list(scopes)}}


def test_inline_scopes_bring_their_tables() -> None:
    scopes = inline(
        {"name": "a", "key": key("a", "1"), "route_configuration": TABLE, "on_demand": True},
        {"name": "b", "key": key("b"), "route_configuration": {**TABLE, "name": "first"}},
        {"name": "c", "key": key("b"), "route_configuration": {**TABLE, "name": "last"}},
    )
    config = compiled_extension("envoy.filters.network", MANAGER, manager(**scopes)).config
    assert {scope: table.name for scope, table in config.scoped_routes.tables.items()} == {(b"a", b"1"): "t", (b"b",): "last"}


def test_scopes_of_srds_are_asked_for_where_the_manager_says() -> None:
    sources = {
        "scoped_rds": {"scoped_rds_config_source": {"ads": {}}},
        "rds_config_source": {"ads": {}, "initial_fetch_timeout": "3s"},
    }
    context = CompileContext()
    listener = {
        "name": "l",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [
            {"filters": [{"name": "m", "typed_config": {"@type": f"type.googleapis.com/{MANAGER}", **manager(**sources)}}]}
        ],
    }
    (source,) = compiled(message("envoy.config.listener.v3.Listener", listener), context).srds_sources
    assert (source.name, source.stat_prefix, source.rds_source.initial_fetch_timeout) == ("s", "m", 3.0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (manager(**inline({"name": "a", "key": key("a")})), "You must specify a route_configuration"),
        (manager(**inline({"name": "a", "key": key("a"), "route_configuration_name": "t"})), "is not supported with inline"),
        (manager({"name": "x", "index": 1}, **inline()), "Index > 0 for empty string element separator"),
        (manager({"name": "x"}, **inline()), "extract_type not set"),
        (manager(), "config_specifier: is required"),
    ],
)
def test_what_envoy_refuses(content: dict[str, Any], reason: str) -> None:
    from dataplane.base.errors import ConfigError, InvalidResource

    with pytest.raises((ConfigError, InvalidResource), match=reason):
        compiled_extension("envoy.filters.network", MANAGER, content)


def test_a_scope_of_srds() -> None:
    content = {"name": "a", "key": key("x", ""), "route_configuration_name": "t"}
    assert compiled(message(SCOPE, content)) == RouteScope("a", (b"x", b""), "t")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"name": "a", "key": key("x")}, "route_configuration_name: route_configuration_name is empty."),
        ({"name": "a", "key": key("x"), "route_configuration_name": "t", "on_demand": True}, "on_demand: is not supported"),
    ],
)
def test_scopes_that_are_refused(content: dict[str, Any], error: str) -> None:
    (found,) = errors(message(SCOPE, content))
    assert found.startswith(error)
