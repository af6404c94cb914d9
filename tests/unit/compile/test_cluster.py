"""Clusters and endpoints.  Which ones are accepted was tried with Envoy 1.40, whose words the errors use."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.base.address import PipeAddress, SocketAddress
from dataplane.compile.context import CompileContext
from dataplane.resilience.circuit import RetryBudget
from dataplane.snapshot.cluster import (
    CircuitBreakerThresholds,
    Cluster,
    DiscoveryType,
    DnsSettings,
    HealthStatus,
    HttpProtocolOptions,
    LeastRequest,
    LoadAssignment,
    Locality,
    TcpKeepalive,
)
from dataplane.snapshot.config_source import ADS
from tests.support.compiling import compiled, errors, message

CLUSTER = "envoy.config.cluster.v3.Cluster"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def endpoint(host: str = "127.0.0.1", **fields: Any) -> dict[str, Any]:
    return {"endpoint": {"address": {"socket_address": {"address": host, "port_value": 80}}}, **fields}


def assignment(*localities: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    return {"cluster_name": "z", "endpoints": [{"lb_endpoints": endpoints} for endpoints in localities], **fields}


def overload(numerator: int) -> dict[str, Any]:
    return {"category": "a", "drop_percentage": {"numerator": numerator}}


def cluster(**fields: Any) -> Cluster:
    value = compiled(message(CLUSTER, {"name": "z", **fields}))
    assert isinstance(value, Cluster)
    return value


def problems(**fields: Any) -> list[str]:
    return errors(message(CLUSTER, {"name": "z", **fields}))


def http_options(**fields: Any) -> dict[str, Any]:
    return {HTTP_OPTIONS: {"@type": f"type.googleapis.com/{HTTP_OPTIONS}", **fields}}


def test_defaults() -> None:
    made = cluster()
    assert (made.discovery, made.connect_timeout, made.lb_policy, made.panic_threshold) == (
        DiscoveryType.STATIC,
        5.0,
        "ROUND_ROBIN",
        0.5,
    )
    assert made.load_assignment == LoadAssignment("", ())
    assert made.circuit_breakers == (CircuitBreakerThresholds(), CircuitBreakerThresholds())
    assert (made.per_connection_buffer_limit, made.http, made.dns) == (1 << 20, HttpProtocolOptions(), DnsSettings())
    assert made.wait_for_warm_on_init


def test_endpoints() -> None:
    made = cluster(
        load_assignment={
            "cluster_name": "other",
            "endpoints": [
                {
                    "locality": {"region": "r", "zone": "z", "sub_zone": "s"},
                    "priority": 1,
                    "load_balancing_weight": 7,
                    "lb_endpoints": [
                        endpoint(
                            load_balancing_weight=3,
                            health_status="DRAINING",
                            metadata={"filter_metadata": {"envoy.lb": {"v": "1"}}},
                        ),
                        {"endpoint": {"address": {"pipe": {"path": "/s", "mode": 384}}, "hostname": "h"}},
                    ],
                }
            ],
            "policy": {"overprovisioning_factor": 200, "drop_overloads": [overload(25)]},
        }
    ).load_assignment
    assert made is not None
    assert (made.cluster_name, made.overprovisioning_factor, made.drop_overload) == ("other", 200, 0.25)
    assert made.drop_category == overload(25)["category"]
    (group,) = made.localities
    assert (group.locality, group.priority, group.weight) == (Locality("r", "z", "s"), 1, 7)
    first, second = group.endpoints
    assert (first.address, first.weight, first.health_status) == (SocketAddress("127.0.0.1", 80), 3, HealthStatus.DRAINING)
    assert first.metadata == {"envoy.lb": {"v": "1"}}
    assert (second.address, second.hostname, second.weight) == (PipeAddress("/s", 384), "h", 1)


def test_dns() -> None:
    made = cluster(
        type="STRICT_DNS",
        load_assignment=assignment([endpoint("a.example")]),
        dns_refresh_rate="2s",
        dns_failure_refresh_rate={"base_interval": "1s"},
        respect_dns_ttl=True,
        dns_lookup_family="V4_ONLY",
        dns_resolvers=[{"socket_address": {"address": "127.0.0.53", "port_value": 53}}],
    )
    assert made.dns == DnsSettings(2.0, 1.0, 10.0, True, "V4_ONLY", (SocketAddress("127.0.0.53", 53),))
    assert made.load_assignment is not None
    assert made.load_assignment.localities[0].endpoints[0].address == SocketAddress("a.example", 80)


def test_eds() -> None:
    made = cluster(type="EDS", eds_cluster_config={"eds_config": {"ads": {}, "initial_fetch_timeout": "3s"}})
    assert (made.load_assignment, made.eds_service_name, made.eds_fetch_timeout) == (None, "z", 3.0)
    assert made.eds_source is not None
    assert made.eds_source.specifier is ADS
    named = cluster(type="EDS", eds_cluster_config={"eds_config": {"ads": {}}, "service_name": "s"})
    assert named.eds_service_name == "s"


def test_circuit_breakers_by_priority() -> None:
    thresholds = [
        {"max_connections": 1, "max_pending_requests": 2, "max_requests": 3, "max_retries": 4, "track_remaining": True},
        {"priority": "HIGH", "max_requests": 9},
        {"max_connections": 77},
    ]
    default, high = cluster(circuit_breakers={"thresholds": thresholds}).circuit_breakers
    assert default == CircuitBreakerThresholds(1, 2, 3, 4, True)
    assert high == CircuitBreakerThresholds(max_requests=9)


def test_a_budget_of_retries() -> None:
    thresholds = [
        {"retry_budget": {}},
        {"priority": "HIGH", "retry_budget": {"budget_percent": {"value": 50}, "min_retry_concurrency": 0}},
    ]
    default, high = cluster(circuit_breakers={"thresholds": thresholds}).circuit_breakers
    assert (default.retry_budget, high.retry_budget) == (RetryBudget(0.2, 3), RetryBudget(0.5, 0))


def test_the_rest() -> None:
    made = cluster(
        alt_stat_name="a:b",
        connect_timeout="0.5s",
        per_connection_buffer_limit_bytes=10,
        common_lb_config={"healthy_panic_threshold": {"value": 0}},
        upstream_connection_options={"tcp_keepalive": {"keepalive_time": 30}},
        wait_for_warm_on_init=False,
        metadata={"filter_metadata": {"n": {"k": True}}},
        transport_socket={
            "name": "raw",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"},
        },
    )
    assert (made.stat_name, made.connect_timeout, made.per_connection_buffer_limit) == ("a_b", 0.5, 10)
    assert (made.panic_threshold, made.tcp_keepalive) == (0.0, TcpKeepalive(time=30))
    assert (made.wait_for_warm_on_init, made.metadata, made.transport_socket) == (False, {"n": {"k": True}}, None)


def test_a_load_balancing_policy_is_the_first_that_is_known() -> None:
    unknown = {"name": "x", "typed_config": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"}}
    known = {
        "name": "rr",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin"},
    }
    policies = [{"typed_extension_config": each} for each in (unknown, known)]
    assert cluster(load_balancing_policy={"policies": policies}).lb_policy == "ROUND_ROBIN"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"common_http_protocol_options": {"idle_timeout": "1s"}}, HttpProtocolOptions(idle_timeout=1.0)),
        ({"max_requests_per_connection": 3}, HttpProtocolOptions(max_requests_per_connection=3)),
        (
            {
                "typed_extension_protocol_options": http_options(
                    explicit_http_config={"http_protocol_options": {}},
                    common_http_protocol_options={"max_requests_per_connection": 4, "max_headers_count": 7},
                )
            },
            HttpProtocolOptions(max_requests_per_connection=4, max_headers_count=7),
        ),
    ],
)
def test_http_options(fields: dict[str, Any], expected: HttpProtocolOptions) -> None:
    assert cluster(**fields).http == expected


ENDPOINT = "load_assignment.endpoints[0].lb_endpoints[0].endpoint"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"load_assignment": assignment([endpoint("a.example")])},
            f"{ENDPOINT}.address.socket_address.address: malformed IP address: a.example. "
            "Consider setting resolver_name or setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'",
        ),
        ({"load_assignment": assignment([{"endpoint": {}}])}, f"{ENDPOINT}.address: Address must be set"),
        ({"load_assignment": assignment([{}])}, f"{ENDPOINT}: Address must be set"),
        (
            {"type": "LOGICAL_DNS", "load_assignment": assignment([endpoint(), endpoint()])},
            "load_assignment: LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint",
        ),
        (
            {"load_assignment": assignment([], policy={"drop_overloads": [{"category": "a"}, {"category": "b"}]})},
            "load_assignment.policy.drop_overloads: Cluster drop_overloads config has 2 categories. Envoy only support one.",
        ),
        (
            {"load_assignment": assignment([], policy={"drop_overloads": [overload(101)]})},
            "load_assignment.policy.drop_overloads[0]: Cluster drop_overloads config is invalid. "
            "drop_ratio=1.01(Numerator 101 / Denominator 100). The valid range is 0~1.",
        ),
        ({"type": "EDS"}, "eds_cluster_config: cannot create an EDS cluster without an EDS config"),
        (
            {"type": "EDS", "eds_cluster_config": {}},
            "eds_cluster_config.eds_config: Missing config source specifier in envoy::config::core::v3::ConfigSource",
        ),
        ({"eds_cluster_config": {"eds_config": {"ads": {}}}}, "eds_cluster_config: eds_cluster_config set in a non-EDS cluster"),
        (
            {"lb_policy": "LOAD_BALANCING_POLICY_CONFIG"},
            "load_balancing_policy: cluster: field load_balancing_policy need to be set",
        ),
        (
            {"load_balancing_policy": {}},
            "load_balancing_policy: cluster: didn't find a registered load balancer factory implementation for cluster: 'z' "
            "with names from []",
        ),
        (
            {"dns_failure_refresh_rate": {"base_interval": "2s", "max_interval": "1s"}},
            "dns_failure_refresh_rate: dns_failure_refresh_rate must have max_interval greater than or equal to the base_interval",
        ),
        (
            {
                "typed_extension_protocol_options": {
                    "my.options": http_options(explicit_http_config={"http_protocol_options": {}})[HTTP_OPTIONS]
                }
            },
            "typed_extension_protocol_options.my.options: Didn't find a registered network or http filter or protocol options "
            "implementation for name: 'my.options'",
        ),
        (
            {
                "max_requests_per_connection": 3,
                "typed_extension_protocol_options": http_options(
                    explicit_http_config={"http_protocol_options": {}},
                    common_http_protocol_options={"max_requests_per_connection": 4},
                ),
            },
            f"typed_extension_protocol_options.{HTTP_OPTIONS}.common_http_protocol_options.max_requests_per_connection: "
            "Only one of max_requests_per_connection from Cluster or HttpProtocolOptions can be specified",
        ),
        (
            {"typed_extension_protocol_options": http_options(auto_config={})},
            f"typed_extension_protocol_options.{HTTP_OPTIONS}.auto_config: "
            "ALPN configured for cluster z which has a non-ALPN transport socket: envoy.transport_sockets.raw_buffer",
        ),
        (
            {"transport_socket": {"name": "tls"}},
            "transport_socket.typed_config: didn't find a registered implementation of envoy.transport_sockets.upstream for 'tls' "
            "with type URL: ''",
        ),
    ],
)
def test_errors(fields: dict[str, Any], expected: str) -> None:
    assert expected in problems(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"cluster_type": {"name": "envoy.clusters.aggregate"}},
        {"outlier_detection": {"monitors": [{"name": "x"}]}},
        {"close_connections_on_host_health_failure": True},
        {"common_lb_config": {"consistent_hashing_lb_config": {"hash_balance_factor": 150}}},
    ],
)
def test_what_has_no_effect_is_refused(fields: dict[str, Any]) -> None:
    assert any("not supported" in found for found in problems(**fields))


@pytest.mark.parametrize(
    ("fields", "protocol", "streams"),
    [
        ({}, "HTTP/1.1", 1024),
        ({"http2_protocol_options": {"max_concurrent_streams": 7}}, "HTTP/2", 7),
        ({"protocol_selection": "USE_DOWNSTREAM_PROTOCOL"}, "DOWNSTREAM", 1024),
        (
            {
                "typed_extension_protocol_options": http_options(
                    explicit_http_config={"http2_protocol_options": {"max_concurrent_streams": 8}}
                )
            },
            "HTTP/2",
            8,
        ),
        (
            {
                "typed_extension_protocol_options": http_options(
                    use_downstream_protocol_config={"http2_protocol_options": {"max_concurrent_streams": 9}}
                )
            },
            "DOWNSTREAM",
            9,
        ),
        (
            {
                "http2_protocol_options": {},
                "typed_extension_protocol_options": http_options(explicit_http_config={"http_protocol_options": {}}),
            },
            "HTTP/1.1",
            1024,
        ),
    ],
)
def test_what_is_spoken_upstream(fields: dict[str, Any], protocol: str, streams: int) -> None:
    http = cluster(**fields).http
    assert (http.protocol, http.http2.max_concurrent_streams) == (protocol, streams)


def lb_extension(name: str, **fields: Any) -> dict[str, Any]:
    package = f"envoy.extensions.load_balancing_policies.{name}.v3"
    full_name = f"{package}.{name.title().replace('_', '')}"
    return {"typed_extension_config": {"name": name, "typed_config": {"@type": f"type.googleapis.com/{full_name}", **fields}}}


WEIGHTED: dict[str, Any] = {"locality_lb_config": {"locality_weighted_lb_config": {}}}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"lb_policy": "RANDOM"}, ("RANDOM", None, False)),
        ({"lb_policy": "LEAST_REQUEST"}, ("LEAST_REQUEST", LeastRequest(), False)),
        (
            {
                "lb_policy": "LEAST_REQUEST",
                "least_request_lb_config": {
                    "choice_count": 5,
                    "active_request_bias": {"default_value": 0.5, "runtime_key": "k"},
                },
                "common_lb_config": {"locality_weighted_lb_config": {}},
            },
            ("LEAST_REQUEST", LeastRequest(5, 0.5), True),
        ),
        ({"load_balancing_policy": {"policies": [lb_extension("random", **WEIGHTED)]}}, ("RANDOM", None, True)),
        ({"load_balancing_policy": {"policies": [lb_extension("round_robin", **WEIGHTED)]}}, ("ROUND_ROBIN", None, True)),
        (
            {"load_balancing_policy": {"policies": [lb_extension("least_request", choice_count=3)]}},
            ("LEAST_REQUEST", LeastRequest(3), False),
        ),
        (
            {
                "load_balancing_policy": {
                    "policies": [lb_extension("wrr_locality", endpoint_picking_policy={"policies": [lb_extension("random")]})]
                }
            },
            ("RANDOM", None, True),
        ),
    ],
)
def test_load_balancing(fields: dict[str, Any], expected: tuple[str, object, bool]) -> None:
    made = cluster(**fields)
    assert (made.lb_policy, made.lb_config, made.locality_weighted) == expected


def test_a_runtime_layer_overrides_the_bias() -> None:
    bias = {"active_request_bias": {"default_value": 0.5, "runtime_key": "k"}}
    made = message(CLUSTER, {"name": "z", "lb_policy": "LEAST_REQUEST", "least_request_lb_config": bias})
    assert compiled(made, CompileContext(runtime={"k": 2})).lb_config == LeastRequest(2, 2.0)


def test_panic_may_fail_the_traffic() -> None:
    assert cluster(common_lb_config={"zone_aware_lb_config": {"fail_traffic_on_panic": True}}).fail_traffic_on_panic


def test_locality_settings_have_one_place() -> None:
    found = problems(
        load_balancing_policy={"policies": [lb_extension("random")]}, common_lb_config={"locality_weighted_lb_config": {}}
    )
    assert found == [
        "load_balancing_policy: cluster: load_balancing_policy cannot be combined with partial fields (zone_aware_lb_config, "
        "locality_weighted_lb_config, consistent_hashing_lb_config) of common_lb_config"
    ]


def test_a_locality_policy_needs_one_for_its_endpoints() -> None:
    found = problems(load_balancing_policy={"policies": [lb_extension("wrr_locality", endpoint_picking_policy={})]})
    assert len(found) == 1
    assert found[0].endswith("endpoint_picking_policy: No supported endpoint picking policy.")


def test_independent_errors_come_together() -> None:
    found = problems(
        load_assignment=assignment([endpoint("a"), endpoint("b")]),
        eds_cluster_config={"eds_config": {"ads": {}}},
        load_balancing_policy={},
    )
    assert len(found) == 4


def test_a_health_status_without_a_name_says_nothing() -> None:
    assert cluster(load_assignment=assignment([endpoint(health_status=99)])).load_assignment is not None
    [locality] = cluster(load_assignment=assignment([endpoint(health_status=99)])).load_assignment.localities  # type: ignore[union-attr]  # seen above
    assert locality.endpoints[0].health_status is HealthStatus.UNKNOWN


def test_sums_of_weights_may_be_of_any_size() -> None:
    most = 2**32 - 1
    heavy = assignment([endpoint(load_balancing_weight=most), endpoint("127.0.0.2", load_balancing_weight=most)])
    compiled_heavy = cluster(load_assignment=heavy).load_assignment
    assert compiled_heavy is not None
    assert [each.weight for each in compiled_heavy.localities[0].endpoints] == [most, most]


@pytest.mark.parametrize("discovery", ["STRICT_DNS", "LOGICAL_DNS"])
def test_an_endpoint_of_a_dns_cluster_without_an_address_is_never_found(discovery: str) -> None:
    found = cluster(type=discovery, load_assignment=assignment([{"endpoint": {}}])).load_assignment
    assert found is not None
    assert [locality.endpoints for locality in found.localities] == [()]
