"""The walk that applies validate.rules, in Envoy's words; its verdicts on the same messages are Envoy 1.40's."""

from __future__ import annotations

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.config_source_pb2 import ApiConfigSource
from envoy.config.core.v3.health_check_pb2 import HealthCheck
from envoy.config.listener.v3.listener_components_pb2 import FilterChainMatch
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import Route, RouteAction, VirtualHost
from envoy.type.v3.token_bucket_pb2 import TokenBucket
from google.protobuf.message import Message

from dataplane.base.errors import ConfigError, FieldPath, Problems
from dataplane.compile.constraints import check
from tests.support.tree_messages import convert


def found(message: Message) -> list[str]:
    problems = Problems()
    check(message, FieldPath(), problems)
    return [str(error) for error in problems.errors]


@pytest.mark.parametrize(
    ("message", "data", "problems"),
    [
        (Cluster(), {"name": "a"}, []),
        (Cluster(), {}, ["name: value length must be at least 1 characters"]),
        (Cluster(), {"name": "a", "lb_policy": 99}, ["lb_policy: value must be one of the defined enum values"]),
        (Cluster(), {"name": "a", "connect_timeout": "0s"}, ["connect_timeout: value must be greater than 0s"]),
        (Cluster(), {"name": "a", "least_request_lb_config": {"choice_count": 1}},
         ["least_request_lb_config.choice_count: value must be greater than or equal to 2"]),
        (Cluster(), {"name": "a", "ring_hash_lb_config": {"minimum_ring_size": 8388609}},
         ["ring_hash_lb_config.minimum_ring_size: value must be less than or equal to 8388608"]),
        (Cluster(), {"name": "a", "load_assignment": {"cluster_name": "a", "endpoints": [{"priority": 200}]}},
         ["load_assignment.endpoints[0].priority: value must be less than or equal to 128"]),
        (VirtualHost(), {"name": "a"}, ["domains: value must contain at least 1 item(s)"]),
        (VirtualHost(), {"name": "a", "domains": ["*", "a\nb"]},
         ["domains[1]: value does not match regex pattern '^[^\\\\x00\\\\n\\\\r]*$'"]),
        (Route(), {"direct_response": {"status": 600}},
         ["match: value is required", "direct_response.status: value must be inside range [200, 600)"]),
        (Route(), {"match": {"prefix": "/"}},
         ["action: is required: one of route, redirect, direct_response, filter_action, non_forwarding_action"]),
        (RouteAction(), {"cluster": ""}, ["cluster: value length must be at least 1 characters"]),
        (HealthCheck(), {"timeout": "1s", "unhealthy_threshold": 1, "healthy_threshold": 1, "tcp_health_check": {}},
         ["interval: value is required"]),
        (FilterChainMatch(), {"source_ports": [80, 70000]}, ["source_ports[1]: value must be inside range [1, 65535]"]),
        (ApiConfigSource(), {"api_type": "GRPC"}, []),
    ],
)  # fmt: skip
def test_verdicts(message: Message, data: object, problems: list[str]) -> None:
    assert found(convert(type(message)(), data)) == problems


def test_a_rule_of_a_oneof_member_counts_only_where_it_is_chosen() -> None:
    chosen = convert(Route(), {"match": {"safe_regex": {"regex": ""}}, "redirect": {}})
    assert found(chosen) == ["match.safe_regex.regex: value length must be at least 1 characters"]
    assert found(convert(Route(), {"match": {"prefix": "/"}, "redirect": {}})) == []


@pytest.mark.parametrize(
    ("duration", "problem"),
    [
        ("-5s", "invalid duration: expected a positive one, got -5s"),
        ({"seconds": 1, "nanos": -1}, "invalid duration: expected a positive one, got 1s"),
        ({"seconds": 1, "nanos": 2_000_000_000}, "invalid duration: out of range"),
        ("9223372036s", "invalid duration: out of range"),
    ],
)
def test_every_duration_is_positive_and_not_too_long(duration: object, problem: str) -> None:
    assert found(convert(RouteAction(), {"cluster": "a", "timeout": duration})) == [f"timeout: {problem}"]


def test_the_walk_goes_into_anys() -> None:
    proxy = {"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "idle_timeout": "-1s"}
    listener = convert(Listener(), {"filter_chains": {"filters": {"name": "tcp", "typed_config": proxy}}})
    assert found(listener) == [
        "filter_chains[0].filters[0].typed_config.cluster_specifier: is required: one of cluster, weighted_clusters",
        "filter_chains[0].filters[0].typed_config.stat_prefix: value length must be at least 1 characters",
        "filter_chains[0].filters[0].typed_config.idle_timeout: invalid duration: expected a positive one, got -1s",
    ]


def test_an_any_that_cannot_be_read() -> None:
    listener = Listener()
    packed = listener.filter_chains.add().filters.add(name="x").typed_config
    packed.type_url = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
    packed.value = b"\xff"
    assert found(listener) == [
        "filter_chains[0].filters[0].typed_config: not a serialized envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
    ]


def test_what_is_inside_of_maps() -> None:
    options = {"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"}
    cluster = convert(Cluster(), {"name": "a", "typed_extension_protocol_options": {"x": options}})
    assert found(cluster) == [
        "typed_extension_protocol_options.x.upstream_protocol_options: is required: "
        "one of explicit_http_config, use_downstream_protocol_config, auto_config"
    ]
    assert found(convert(Cluster(), {"name": "a", "metadata": {"filter_metadata": {"": {}}}})) == [
        "metadata.filter_metadata.: value length must be at least 1 characters"
    ]


def test_rules_that_envoy_has_dropped_are_not_applied() -> None:
    assert found(convert(TokenBucket(), {"max_tokens": 0, "fill_interval": "1s"})) == []


def test_deprecated_fields_are_warnings_unless_they_are_refused() -> None:
    problems, warnings = Problems(), list[ConfigError]()
    cluster = convert(Cluster(), {"name": "a", "max_requests_per_connection": 1, "http2_protocol_options": {}})
    check(cluster, FieldPath("Cluster", "a"), problems, warnings)
    assert problems.errors == []
    assert [str(warning) for warning in warnings] == [
        "Cluster{a}.max_requests_per_connection: envoy.config.cluster.v3.Cluster.max_requests_per_connection is deprecated",
        "Cluster{a}.http2_protocol_options: envoy.config.cluster.v3.Cluster.http2_protocol_options is deprecated",
    ]


def test_a_refused_default_value() -> None:
    assert found(ApiConfigSource()) == [
        "api_type: the default value DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE is deprecated and no longer allowed"
    ]
