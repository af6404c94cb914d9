"""Route configurations inside listeners."""

from __future__ import annotations

from typing import Any

import pytest
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2  # noqa: F401  (registers the message for its Any)
from google.protobuf import json_format

from dataplane.admin.context import ConfigRecord
from dataplane.admin.inline_routes import inline_routes
from tests.support.bootstraps import http_listener

LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"


def record(config: dict[str, Any], state: str = "active") -> ConfigRecord:
    listener = json_format.ParseDict(config, listener_pb2.Listener())
    return ConfigRecord(LISTENER, listener.name, listener.SerializeToString(), state, "7", 5.0)


@pytest.mark.parametrize("state", ["static", "active"])
def test_shown_as_static_with_the_time_of_their_listener(state: str) -> None:
    [found] = inline_routes([record(http_listener("edge", [{"match": {"prefix": "/"}, "route": {"cluster": "up"}}]), state)])
    assert (found.name, found.state, found.version, found.updated_wall) == ("edge", "static", "", 5.0)
    routes = route_pb2.RouteConfiguration.FromString(found.body)
    assert routes.virtual_hosts[0].routes[0].route.cluster == "up"


def test_the_default_chain_counts() -> None:
    config = http_listener("edge", [])
    config["default_filter_chain"] = config.pop("filter_chains")[0]
    assert [found.name for found in inline_routes([record(config)])] == ["edge"]


def test_routes_by_reference_and_listeners_that_wait_are_left_out() -> None:
    by_reference = http_listener("rds", [])
    manager = by_reference["filter_chains"][0]["filters"][0]["typed_config"]
    del manager["route_config"]
    manager["rds"] = {"route_config_name": "r", "config_source": {"ads": {}}}
    assert list(inline_routes([record(by_reference), record(http_listener("later", []), "warming")])) == []


def test_other_resources_are_not_looked_at() -> None:
    cluster = ConfigRecord("type.googleapis.com/envoy.config.cluster.v3.Cluster", "up", b"\xff", "active")
    assert list(inline_routes([cluster])) == []
