"""Finding virtual hosts and routes."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.routing.route import DirectResponse, ForwardAction, RedirectAction, Route, RouteConfiguration, VirtualHost
from dataplane.routing.table import (
    TLS_REDIRECT,
    RouteIndex,
    find_route,
    find_virtual_host,
    first_match,
    virtual_cluster_of,
    without_port,
)
from dataplane.semantics.header_map import RequestHeaders
from tests.support.compiling import route_configuration, virtual_host


def request(path: str = "/", host: str = "a.example", method: str = "GET", **headers: str) -> RequestHeaders:
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return RequestHeaders(method.encode(), path.encode(), host.encode(), fields=fields)


def hosts(*domain_lists: list[str], **fields: Any) -> RouteConfiguration:
    return route_configuration(
        {"virtual_hosts": [{"name": domains[0], "domains": domains} for domains in domain_lists], **fields}
    )


DOMAINS = hosts(["a.example"], ["*.example"], ["*.b.example"], ["a.*"], ["a.b.*"], ["*"])


@pytest.mark.parametrize(
    ("authority", "expected"),
    [
        ("a.example", "a.example"),
        ("A.Example", "a.example"),
        ("x.example", "*.example"),
        ("x.b.example", "*.b.example"),
        ("a.org", "a.*"),
        ("a.b.org", "a.b.*"),
        (".example", "*"),
        ("a.", "*"),
        ("other", "*"),
        ("", "*"),
        ("a.example:80", "a.*"),
    ],
)
def test_exact_then_longest_suffix_then_longest_prefix_then_any(authority: str, expected: str) -> None:
    found = find_virtual_host(DOMAINS, authority.encode())
    assert found is not None
    assert found.name == expected


def test_no_virtual_host() -> None:
    config = hosts(["a.example"])
    assert find_virtual_host(config, b"b.example") is None
    assert find_route(config, request(host="b.example"), 0) is None


def test_the_port_may_be_ignored() -> None:
    config = hosts(["a.example"], ["[::1]"], ignore_port_in_host_matching=True)
    for authority in (b"a.example:8080", b"[::1]:80", b"[::1]"):
        assert find_virtual_host(config, authority) is not None


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (b"a:80", b"a"),
        (b"a", b"a"),
        (b"[::1]:80", b"[::1]"),
        (b"[::1]", b"[::1]"),
        (b"::1", b"::1"),
        (b"a:b", b"a:b"),
        (b"a:", b"a:"),
    ],
)
def test_without_port(host: bytes, expected: bytes) -> None:
    assert without_port(host) == expected


def table(*matches: dict[str, Any], **fields: Any) -> RouteConfiguration:
    """Routes that answer with their number in the body."""
    routes = [
        {"match": match, "direct_response": {"status": 200, "body": {"inline_string": str(number)}}}
        for number, match in enumerate(matches)
    ]
    return route_configuration({"virtual_hosts": [virtual_host(*routes, **fields)]})


def chosen(config: RouteConfiguration, headers: RequestHeaders, random_value: int = 0) -> int | None:
    route = find_route(config, headers, random_value)
    if route is None:
        return None
    assert isinstance(route.action, DirectResponse)
    return int(route.action.body)


def test_the_first_route_that_matches_wins_however_it_is_found() -> None:
    config = table(
        {"prefix": "/a/b"},
        {"path": "/a/b"},
        {"path": "/a"},
        {"prefix": "/a", "headers": [{"name": "x", "present_match": True}]},
        {"safe_regex": {"regex": "/a[0-9]+"}},
        {"safe_regex": {"regex": "/a1.*"}},
        {"path_separated_prefix": "/a"},
        {"prefix": "/"},
        {"path": "/never"},
    )
    wanted = {"/a/b": 0, "/a/bc": 0, "/a": 2, "/a1": 4, "/a1x": 5, "/a/c": 6, "/ab": 7, "/never": 7, "/a?q=/a/b": 2, "/a#f": 2}
    assert {path: chosen(config, request(path)) for path in wanted} == wanted
    assert chosen(config, request("/a1", x="1")) == 3


def test_no_route() -> None:
    config = table({"prefix": "/a"}, {"safe_regex": {"regex": "/b+"}}, {"safe_regex": {"regex": "/b.c"}})
    assert chosen(config, request("/x")) is None
    assert chosen(config, request("/bd")) is None


def test_a_regex_of_many_still_asks_for_its_headers() -> None:
    header = [{"name": "x", "string_match": {"exact": "1"}}]
    config = table({"safe_regex": {"regex": "/b.*"}, "headers": header}, {"safe_regex": {"regex": "/.*"}})
    assert chosen(config, request("/b", x="1")) == 0
    assert chosen(config, request("/b", x="2")) == 1


def test_regexes_without_a_common_literal() -> None:
    config = table({"safe_regex": {"regex": ".*\\.css"}}, {"safe_regex": {"regex": "/(x|y)/.*"}}, {"path": "/z.css"})
    assert [chosen(config, request(path)) for path in ("/a/b.css", "/y/1", "/z.css", "/q")] == [0, 1, 0, None]


def test_case_may_be_ignored() -> None:
    config = table({"prefix": "/Api", "case_sensitive": False}, {"prefix": "/"})
    assert [chosen(config, request(path)) for path in ("/aPI/x", "/ap")] == [0, 1]


def test_only_connect_routes_take_a_request_without_a_path() -> None:
    config = table({"prefix": ""}, {"connect_matcher": {}}, {"safe_regex": {"regex": ".*"}})
    assert chosen(config, request("", method="CONNECT")) == 1
    assert chosen(config, request("", method="GET")) is None
    assert chosen(config, request("/x", method="CONNECT")) == 0


def test_a_fraction_of_the_requests() -> None:
    fraction = {"default_value": {"numerator": 25}}
    config = table({"prefix": "/", "runtime_fraction": fraction}, {"prefix": "/"})
    assert [chosen(config, request(), value) for value in (0, 24, 25, 99, 124)] == [0, 0, 1, 1, 0]


def test_query_parameters_and_grpc() -> None:
    config = table(
        {
            "prefix": "/",
            "query_parameters": [{"name": "a", "string_match": {"exact": "1"}}, {"name": "b", "present_match": True}],
        },
        {"prefix": "/", "grpc": {}},
    )
    assert chosen(config, request("/?a=1&b")) == 0
    assert chosen(config, request("/?a=1")) is None
    assert chosen(config, request("/", content_type="application/grpc+proto")) == 1
    assert chosen(config, request("/", content_type="application/grpc-web")) is None


@pytest.mark.parametrize(
    ("require", "headers", "redirected"),
    [
        ("ALL", {}, True),
        ("ALL", {"x_forwarded_proto": "http"}, True),
        ("ALL", {"x_forwarded_proto": "https"}, False),
        ("EXTERNAL_ONLY", {"x_forwarded_proto": "http", "x_envoy_internal": "true"}, False),
        ("EXTERNAL_ONLY", {"x_forwarded_proto": "http"}, True),
        ("NONE", {}, False),
    ],
)
def test_a_virtual_host_may_require_tls(require: str, headers: dict[str, str], redirected: bool) -> None:
    config = table({"prefix": "/"}, require_tls=require)
    route = find_route(config, request("/p?q", **headers), 0)
    assert (route is TLS_REDIRECT) is redirected


def test_the_redirect_to_tls_keeps_the_target() -> None:
    assert isinstance(TLS_REDIRECT.action, RedirectAction)
    assert TLS_REDIRECT.action.location(request("/p?q", "a:80")) == b"https://a:80/p?q"
    assert TLS_REDIRECT.matches(request(), b"/", b"", 0)


def test_virtual_clusters() -> None:
    clusters = [{"name": "posts", "headers": [{"name": ":method", "string_match": {"exact": "POST"}}]}]
    host = table({"prefix": "/"}, virtual_clusters=clusters).virtual_hosts[0]
    assert virtual_cluster_of(host.virtual_clusters, request(method="POST")) == "posts"
    assert virtual_cluster_of(host.virtual_clusters, request()) == "other"
    assert host.routes[0].virtual_clusters == host.virtual_clusters


def test_a_virtual_host_without_an_index_is_tried_route_by_route() -> None:
    route = Route("r", lambda headers, path, query, random_value: path == b"/x", ForwardAction("c"), b"")
    host = VirtualHost("h", ("*",), (route,))
    config = RouteConfiguration("c", (host,), frozenset({"c"}), default_virtual_host=host)
    assert find_route(config, request("/x"), 0) is route
    assert find_route(config, request("/y"), 0) is None


def test_the_index_takes_routes_of_which_only_the_predicate_is_known() -> None:
    routes = [
        Route(str(n), lambda headers, path, query, random_value, n=n: path == b"/%d" % n, DirectResponse(200), b"")
        for n in (1, 2)
    ]
    index = RouteIndex(routes)
    assert index(request(), b"/2", b"", 0) is routes[1]
    assert index(request(), b"/3", b"", 0) is None
    assert first_match(routes, request(), b"/1", b"", 0) is routes[0]
