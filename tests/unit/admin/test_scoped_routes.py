"""Scopes in the configuration dump."""

from __future__ import annotations

from typing import Any

import pytest
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import scoped_route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2  # noqa: F401  (registers the message for its Any)
from google.protobuf import json_format

from dataplane.admin.context import ConfigRecord
from dataplane.admin.scoped_routes import scoped_routes
from tests.support.bootstraps import http_listener

PREFIX = "type.googleapis.com/"
LISTENER = PREFIX + "envoy.config.listener.v3.Listener"
SCOPE = PREFIX + "envoy.config.route.v3.ScopedRouteConfiguration"
BUILDER = {"fragments": [{"header_value_extractor": {"name": "x-scope", "index": 0}}]}
SRDS = {"scoped_rds": {"scoped_rds_config_source": {"ads": {}}}}


def scope_of(name: str, **routes: Any) -> dict[str, Any]:
    return {"name": name, "key": {"fragments": [{"string_key": name}]}, **routes}


def listener(name: str, scopes: dict[str, Any], state: str = "active") -> ConfigRecord:
    """Its scoped routes go by its name."""
    config = http_listener(name, [])
    manager = config["filter_chains"][0]["filters"][0]["typed_config"]
    del manager["route_config"]
    manager["scoped_routes"] = {"name": name, "scope_key_builder": BUILDER, **scopes}
    message = json_format.ParseDict(config, listener_pb2.Listener())
    return ConfigRecord(LISTENER, name, message.SerializeToString(), state, "7", 5.0)


def scope(name: str, wall: float, state: str = "active") -> ConfigRecord:
    message = json_format.ParseDict(scope_of(name, route_configuration_name="r"), scoped_route_pb2.ScopedRouteConfiguration())
    return ConfigRecord(SCOPE, name, message.SerializeToString(), state, f"v{wall:g}", wall)


def dump(*records: ConfigRecord, only: str = "") -> Any:
    return json_format.MessageToDict(
        scoped_routes(records, lambda name: not only or name == only), preserving_proto_field_name=True
    )


@pytest.mark.parametrize("state", ["static", "active"])
def test_those_inside_a_listener_have_its_time(state: str) -> None:
    scopes = [scope_of(name, route_configuration={"name": name}) for name in ("b", "a")]
    inline = {"scoped_route_configurations_list": {"scoped_route_configurations": scopes}}
    [found] = dump(listener("edge", inline, state))["inline_scoped_route_configs"]
    assert (found["name"], found["last_updated"]) == ("edge", "1970-01-01T00:00:05Z")
    assert found["scoped_route_configs"] == [{"@type": SCOPE, **each} for each in scopes]


def test_those_that_came_are_shown_once_for_each_source() -> None:
    other = {"scoped_rds": {"scoped_rds_config_source": {"path_config_source": {"path": "/scopes"}}}}
    records = [listener("one", SRDS), listener("two", SRDS), listener("three", other), scope("b", 2.0), scope("a", 1.0)]
    found = dump(*records)["dynamic_scoped_route_configs"]
    assert [each["name"] for each in found] == ["one", "three"]
    assert (found[0]["version_info"], found[0]["last_updated"]) == ("v2", "1970-01-01T00:00:02Z")
    assert [each["name"] for each in found[0]["scoped_route_configs"]] == ["a", "b"]


def test_nothing_is_shown_before_a_scope_came_or_of_a_listener_that_waits() -> None:
    refused = scope("bad", 1.0, "none")
    assert dump(listener("edge", SRDS), refused) == {}
    assert dump(listener("edge", SRDS, "warming"), scope("a", 1.0)) == {}


def test_a_name_that_is_not_asked_for_is_left_out() -> None:
    assert dump(listener("edge", SRDS), scope("a", 1.0), only="other") == {}
