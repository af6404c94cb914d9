"""VirtualHost.matcher: trees over request headers that lead to routes."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.routing.table import find_route
from dataplane.semantics.header_map import RequestHeaders
from tests.support.compiling import errors, message, route_configuration, virtual_host

TYPES = "type.googleapis.com/envoy"


def header(name: str) -> dict[str, Any]:
    return {"name": "h", "typed_config": {"@type": f"{TYPES}.type.matcher.v3.HttpRequestHeaderMatchInput", "header_name": name}}


def to(cluster: str, kind: str = "Route", **fields: Any) -> dict[str, Any]:
    content = fields or {"name": cluster, "match": {"prefix": "/"}, "route": {"cluster": cluster}}
    return {"action": {"name": "a", "typed_config": {"@type": f"{TYPES}.config.route.v3.{kind}", **content}}}


def exact(name: str, **branches: dict[str, Any]) -> dict[str, Any]:
    return {"matcher_tree": {"input": header(name), "exact_match_map": {"map": branches}}}


def found(matcher: dict[str, Any], *fields: tuple[bytes, bytes], host: bytes = b"h", path: bytes = b"/p") -> str | None:
    table = route_configuration({"virtual_hosts": [virtual_host(matcher=matcher)]})
    route = find_route(table, RequestHeaders(b"GET", path, host, fields=list(fields)), 0)
    return None if route is None else route.name


def test_a_tree_of_a_header() -> None:
    tree = {**exact("X-A", one=to("first"), two=to("second")), "on_no_match": to("rest")}
    assert [found(tree, (b"x-a", value)) for value in (b"one", b"two", b"three")] == ["first", "second", "rest"]
    assert found(tree) == "rest"
    assert found(exact("x-a", one=to("first"))) is None


@pytest.mark.parametrize("name", [":authority", "host"])
def test_a_tree_of_what_is_no_field(name: str) -> None:
    assert found(exact(name, h=to("first"))) == "first"


def test_several_fields_are_one_value() -> None:
    tree = {"matcher_tree": {"input": header("x-a"), "prefix_match_map": {"map": {"a,": to("both"), "a": to("one")}}}}
    assert found(tree, (b"x-a", b"a"), (b"x-a", b"b")) == "both"
    assert found(tree, (b"x-a", b"a")) == "one"
    assert found(tree, (b"x-a", b"\xff")) is None


def test_what_a_list_does_not_match_has_no_route() -> None:
    routes = [{"name": name, "match": {"prefix": f"/{name}"}, "route": {"cluster": "c"}} for name in ("a", "b")]
    tree = {**exact(":method", GET=to("", "RouteList", routes=routes)), "on_no_match": to("rest")}
    assert [found(tree, path=path) for path in (b"/a", b"/b", b"/c")] == ["a", "b", None]


def test_its_clusters_are_waited_for() -> None:
    table = route_configuration({"virtual_hosts": [virtual_host(matcher=exact("x-a", one=to("first")))]})
    assert table.cluster_names == {"first"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"matcher": exact("x-a", one=to("", "RouteMatch", prefix="/"))}, "Didn't find a registered implementation for 'a'"),
        (
            {"matcher": exact("x-a", one=to("c")), "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "c"}}]},
            "cannot set both",
        ),
        ({"matcher": exact("x-a", one=to("", match={"prefix": "/"}))}, "action: is required"),
    ],
)
def test_errors(fields: dict[str, Any], expected: str) -> None:
    host = {"name": "h", "domains": ["*"], **fields}
    full_name = "envoy.config.route.v3.RouteConfiguration"
    assert any(expected in each for each in errors(message(full_name, {"name": "r", "virtual_hosts": [host]})))
