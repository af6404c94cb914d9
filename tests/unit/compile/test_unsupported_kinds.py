"""Choices that this version does not have are errors of the compile functions, too, not only of the support walk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dataplane.base.errors import FieldPath
from dataplane.compile.cluster import compile_cluster
from dataplane.compile.context import CompileContext
from dataplane.compile.route_config import compile_route_configuration
from tests.support.compiling import message, virtual_host

AT = FieldPath("Test")
WITH_RESOLVER = {"endpoint": {"address": {"socket_address": {"address": "a", "port_value": 1, "resolver_name": "x"}}}}


def found(compile_message: Callable[..., object], full_name: str, content: dict[str, Any]) -> list[str]:
    context = CompileContext()
    with context.problems.collect():
        compile_message(message(full_name, content), AT, context)
    return [str(error).rpartition("routes[0].")[2] for error in context.problems.errors]


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ({"match": {"path_match_policy": {"name": "x"}}, "route": {"cluster": "c"}}, "match.path_match_policy: not supported"),
        ({"match": {}, "route": {"cluster": "c"}}, "match.path_specifier: is required"),
        ({"match": {"prefix": "/"}}, "action: is required"),
        ({"match": {"prefix": "/"}, "filter_action": {}}, "filter_action: not supported"),
        ({"match": {"prefix": "/"}, "route": {}}, "route.cluster_specifier: is required"),
        ({"match": {"prefix": "/"}, "route": {"cluster_specifier_plugin": "p"}}, "route.cluster_specifier_plugin: not supported"),
        (
            {"match": {"prefix": "/"}, "route": {"weighted_clusters": {"use_hash_policy": True}}},
            "route.weighted_clusters.use_hash_policy: not supported",
        ),
    ],
)
def test_routes(route: dict[str, Any], expected: str) -> None:
    content = {"name": "r", "virtual_hosts": [virtual_host(route)]}
    assert found(compile_route_configuration, "envoy.config.route.v3.RouteConfiguration", content) == [expected]


def test_redirects() -> None:
    content = {"name": "r", "virtual_hosts": [virtual_host({"match": {"prefix": "/"}, "redirect": {}})]}
    made = message("envoy.config.route.v3.RouteConfiguration", content)
    made.virtual_hosts[0].routes[0].redirect.response_code = 9
    context = CompileContext()
    compile_route_configuration(made, AT, context)
    assert [str(error).rpartition("routes[0].")[2] for error in context.problems.errors] == [
        "redirect.response_code: undefined value 9"
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"cluster_type": {"name": "x"}}, "Test.cluster_type: not supported"),
        (
            {"lb_policy": "CLUSTER_PROVIDED"},
            "Test.lb_policy: cluster manager: cluster provided LB specified but cluster 'z' did not provide one. "
            "Check cluster documentation.",
        ),
        (
            {"type": "ORIGINAL_DST"},
            "Test.lb_policy: cluster: LB policy ROUND_ROBIN is not valid for Cluster type ORIGINAL_DST. Only 'CLUSTER_PROVIDED' is "
            "allowed with cluster type 'ORIGINAL_DST'",
        ),
        (
            {"type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED", "load_assignment": {}},
            "Test.load_assignment: ORIGINAL_DST clusters must have no load assignment configured",
        ),
        (
            {"type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED", "original_dst_lb_config": {"http_header_name": "x-a"}},
            "Test.original_dst_lb_config.http_header_name: ORIGINAL_DST cluster: invalid config http_header_name=x-a and "
            "use_http_header is false. Set use_http_header to true if http_header_name is desired.",
        ),
        (
            {"type": "STRICT_DNS", "load_assignment": {"endpoints": [{"lb_endpoints": [WITH_RESOLVER]}]}},
            "Test.load_assignment: STRICT_DNS clusters must NOT have a custom resolver name set",
        ),
    ],
)
def test_clusters(fields: dict[str, Any], expected: str) -> None:
    assert found(compile_cluster, "envoy.config.cluster.v3.Cluster", {"name": "z", **fields}) == [expected]
