"""RouteConfiguration: levels, domains, and every error with its place and Envoy's words."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.compile.context import CompileContext
from dataplane.observe.stream_info import StreamInfo
from dataplane.resilience.retry import RetryPolicy
from dataplane.routing.header_mutations import mutate_request
from dataplane.routing.route import DirectResponse, ForwardAction, NonForwardingAction, RedirectAction
from dataplane.semantics.header_map import RequestHeaders
from tests.support.compiling import errors, message, one_route, route_configuration, virtual_host

ROUTE_CONFIGURATION = "envoy.config.route.v3.RouteConfiguration"
TO_C = {"match": {"prefix": "/"}, "route": {"cluster": "c"}}
ADD = [{"header": {"key": "level", "value": ""}, "keep_empty_value": True}]


def problems(*routes: dict[str, Any], **fields: Any) -> list[str]:
    content = {"name": "local", "virtual_hosts": [virtual_host(*routes)], **fields}
    return errors(message(ROUTE_CONFIGURATION, content))


def add(value: str) -> list[dict[str, Any]]:
    return [{"header": {"key": "level", "value": value}}]


def levels(most_specific_wins: bool) -> list[bytes]:
    config = route_configuration(
        {
            "virtual_hosts": [virtual_host({**TO_C, "request_headers_to_add": add("route")}, request_headers_to_add=add("host"))],
            "request_headers_to_add": add("config"),
            "most_specific_header_mutations_wins": most_specific_wins,
        }
    )
    headers = RequestHeaders(b"GET", b"/", b"h")
    mutate_request(config.virtual_hosts[0].routes[0].mutations, headers, StreamInfo())
    return headers.get_all(b"level")


def test_mutations_apply_from_the_route_outwards_unless_told_otherwise() -> None:
    assert levels(most_specific_wins=False) == [b"route", b"host", b"config"]
    assert levels(most_specific_wins=True) == [b"config", b"host", b"route"]


def test_what_routes_inherit() -> None:
    config = route_configuration(
        {
            "virtual_hosts": [
                virtual_host(
                    TO_C,
                    {**TO_C, "route": {"cluster": "d", "retry_policy": {"retry_on": "reset"}}, "request_body_buffer_limit": 5},
                    name="v",
                    retry_policy={"retry_on": "5xx", "num_retries": 4},
                    request_body_buffer_limit=10,
                    include_request_attempt_count=True,
                    include_attempt_count_in_response=True,
                    metadata={"filter_metadata": {"n": {"k": [1, None, {"x": "y"}]}}},
                )
            ]
        }
    )
    host = config.virtual_hosts[0]
    first, second = host.routes
    assert isinstance(first.action, ForwardAction)
    assert isinstance(second.action, ForwardAction)
    assert getattr(first.action.retry_policy, "num_retries", None) == 4
    assert getattr(second.action.retry_policy, "num_retries", None) == 1
    assert (first.request_buffer_limit, second.request_buffer_limit) == (10, 5)
    assert (first.virtual_host, host.include_attempt_count, host.include_attempt_count_in_response) == ("v", True, True)
    assert host.metadata == {"n": {"k": [1, None, {"x": "y"}]}}
    assert config.cluster_names == {"c", "d"}


def test_a_policy_that_never_retries_still_limits_the_time_of_its_one_try() -> None:
    route = one_route({"prefix": "/"}, route={"cluster": "c", "retry_policy": {"per_try_timeout": "1s"}})
    assert isinstance(route.action, ForwardAction)
    policy = route.action.retry_policy
    assert isinstance(policy, RetryPolicy)
    assert (policy.retry_on, policy.per_try_timeout) == (0, 1.0)


def test_kinds_of_action() -> None:
    assert isinstance(one_route({"prefix": "/"}, redirect={}).action, RedirectAction)
    assert one_route({"prefix": "/"}, direct_response={"status": 204}).action == DirectResponse(204, b"")
    assert isinstance(one_route({"prefix": "/"}, non_forwarding_action={}).action, NonForwardingAction)


def test_equal_matches_have_equal_keys() -> None:
    match = {"prefix": "/a", "headers": [{"name": "x", "present_match": True}]}
    assert one_route(match).match_key == one_route(match).match_key
    assert one_route(match).match_key != one_route({"prefix": "/a"}).match_key


def test_all_errors_are_reported_with_their_places() -> None:
    found = problems(
        {"match": {"safe_regex": {"regex": "("}}, "route": {"cluster": "c"}},
        {
            **TO_C,
            "request_headers_to_add": [{"header": {"key": "Host", "value": "x"}}],
            "response_headers_to_remove": [":status"],
        },
        {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "x" * 11}}},
        max_direct_response_body_size_bytes=10,
    )
    routes = "virtual_hosts[0].routes"
    assert found == [
        f"{routes}[0].match.safe_regex.regex: missing ): (",
        f"{routes}[1].request_headers_to_add[0].header.key: :-prefixed or host headers may not be modified",
        f"{routes}[1].response_headers_to_remove[0]: :-prefixed or host headers may not be removed",
        f"{routes}[2].direct_response.body: response body size is 11 bytes; maximum is 10",
    ]


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (
            ["a.example"],
            ["A.example"],
            "Only unique values for domains are permitted. Duplicate entry of domain a.example in route local",
        ),
        (["*.a"], ["*.A"], "Only unique values for domains are permitted. Duplicate entry of domain *.a in route local"),
        (["a.*"], ["a.*"], "Only unique values for domains are permitted. Duplicate entry of domain a.* in route local"),
        (["*"], ["*"], "Only a single wildcard domain is permitted in route local"),
    ],
)
def test_domains_are_unique(first: list[str], second: list[str], reason: str) -> None:
    hosts = [{"name": "one", "domains": first}, {"name": "two", "domains": second}]
    found = errors(message(ROUTE_CONFIGURATION, {"name": "local", "virtual_hosts": hosts}))
    assert found == [f"virtual_hosts[1].domains: {reason}"]


@pytest.mark.parametrize("domains", [["a.*.example"], [""], ["*a"], ["A.EXAMPLE"]])
def test_odd_domains_are_accepted(domains: list[str]) -> None:
    assert route_configuration({"virtual_hosts": [{"name": "v", "domains": domains}]}).virtual_hosts[0].domains == tuple(domains)


def test_a_virtual_cluster_needs_headers() -> None:
    host = virtual_host(TO_C, virtual_clusters=[{"name": "v"}])
    found = errors(message(ROUTE_CONFIGURATION, {"name": "local", "virtual_hosts": [host]}))
    assert found == ["virtual_hosts[0].virtual_clusters[0]: virtual clusters must define 'headers'"]


def test_a_body_limit_of_zero_is_none() -> None:
    config = route_configuration(
        {
            "virtual_hosts": [
                virtual_host({"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "x"}}})
            ],
            "max_direct_response_body_size_bytes": 0,
        }
    )
    assert config.virtual_hosts[0].routes[0].action == DirectResponse(200, b"x")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("vhds", {"config_source": {"ads": {}}}),
        ("internal_only_headers", ["x"]),
        ("cluster_specifier_plugins", [{"extension": {"name": "x"}}]),
    ],
)
def test_what_has_no_effect_is_refused(field: str, value: Any) -> None:
    assert any(found.startswith(field) and "not supported" in found for found in problems(**{field: value}))


def test_both_buffer_limits_contradict_each_other() -> None:
    found = problems({**TO_C, "request_body_buffer_limit": 1, "per_request_buffer_limit_bytes": 2})
    assert found == [
        "virtual_hosts[0].routes[0]: Only one of request_body_buffer_limit and per_request_buffer_limit_bytes can be specified"
    ]


def test_a_runtime_layer_overrides_a_fraction() -> None:
    fraction = {"runtime_key": "k", "default_value": {"numerator": 0}}
    content = {"virtual_hosts": [virtual_host({**TO_C, "match": {"prefix": "/", "runtime_fraction": fraction}})]}
    for runtime, expected in (
        ({}, False),
        ({"k": 50}, True),
        ({"k": {"numerator": 50}}, True),
        ({"k": True}, False),
        ({"k": "x"}, False),
    ):
        route = route_configuration(content, CompileContext(runtime=runtime)).virtual_hosts[0].routes[0]
        assert route.matches(RequestHeaders(b"GET", b"/", b"h"), b"/", b"", 49) is expected, runtime


def test_optional_per_filter_configuration_of_an_unknown_filter_is_left_out() -> None:
    wrapper = {
        "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
        "is_optional": True,
        "config": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"},
    }
    assert one_route({"prefix": "/"}, typed_per_filter_config={"x": wrapper}).per_filter_config == {}


def test_per_filter_configuration_of_an_unknown_filter_is_an_error() -> None:
    config = {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"}
    found = problems({**TO_C, "typed_per_filter_config": {"x": config}})
    assert found == [
        "virtual_hosts[0].routes[0].typed_per_filter_config.x: didn't find a registered implementation of "
        "envoy.filters.http.route for 'x' with type URL: 'google.protobuf.Duration'"
    ]
