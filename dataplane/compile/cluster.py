"""Cluster → snapshot.cluster.Cluster.

Not here: endpoints (endpoint), HTTP options (upstream_http), DNS (dns_settings), balancing (load_balancing).
Envoy: config.cluster.v3.Cluster.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

from envoy.config.cluster.v3.circuit_breaker_pb2 import CircuitBreakers
from envoy.config.cluster.v3.cluster_pb2 import Cluster as ClusterMessage
from envoy.config.cluster.v3.cluster_pb2 import UpstreamConnectionOptions
from envoy.config.core.v3.address_pb2 import TcpKeepalive as KeepaliveMessage
from envoy.config.core.v3.base_pb2 import TransportSocket

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.config_source import compile_config_source
from dataplane.compile.context import CompileContext
from dataplane.compile.dns_settings import compile_dns_settings
from dataplane.compile.endpoint import compile_load_assignment
from dataplane.compile.fields import find_extension
from dataplane.compile.health_check import compile_health_checks
from dataplane.compile.http_policies import compile_http_policies
from dataplane.compile.load_balancing import LbPolicy, compile_lb_policy, panic_threshold
from dataplane.compile.original_dst import compile_original_dst
from dataplane.compile.outlier_detection import compile_outlier_detection
from dataplane.compile.source_address import compile_source_addresses
from dataplane.compile.support import supports
from dataplane.compile.units import metadata_dict, seconds_or, struct_dict, wrapped
from dataplane.compile.upstream_http import compile_upstream_http
from dataplane.resilience.circuit import RetryBudget
from dataplane.resilience.outlier import OutlierSettings
from dataplane.snapshot.cluster import (
    CircuitBreakerThresholds,
    Cluster,
    DiscoveryType,
    DnsSettings,
    HttpProtocolOptions,
    LoadAssignment,
    OriginalDst,
    SourceAddress,
    TcpKeepalive,
    TransportSocketMatch,
)
from dataplane.snapshot.health_check import HealthCheck
from dataplane.snapshot.http_policies import HttpPolicies

supports(
    ClusterMessage,
    "name",
    "alt_stat_name",
    "eds_cluster_config",
    "connect_timeout",
    "per_connection_buffer_limit_bytes",
    "load_assignment",
    "max_requests_per_connection",
    "circuit_breakers",
    "health_checks",
    "outlier_detection",
    "ignore_health_on_host_removal",
    "common_http_protocol_options",
    "http_protocol_options",
    "http2_protocol_options",
    "typed_extension_protocol_options",
    "upstream_http_protocol_options",
    "wait_for_warm_on_init",
    "transport_socket",
    "transport_socket_matches",
    "metadata",
    "upstream_connection_options",
    "upstream_bind_config",
    "lb_subset_config",
    type=("STATIC", "STRICT_DNS", "LOGICAL_DNS", "EDS", "ORIGINAL_DST"),
    protocol_selection=("USE_CONFIGURED_PROTOCOL", "USE_DOWNSTREAM_PROTOCOL"),
)
supports(ClusterMessage.EdsClusterConfig, "eds_config", "service_name")
supports(CircuitBreakers, "thresholds")
supports(
    CircuitBreakers.Thresholds,
    "priority",
    "max_connections",
    "max_pending_requests",
    "max_requests",
    "max_retries",
    "track_remaining",
    "retry_budget",
)
supports(CircuitBreakers.Thresholds.RetryBudget, "budget_percent", "min_retry_concurrency")
supports(UpstreamConnectionOptions, "tcp_keepalive")
supports(KeepaliveMessage, "keepalive_probes", "keepalive_time", "keepalive_interval")
supports(TransportSocket, "name", "typed_config")
supports(ClusterMessage.TransportSocketMatch, "name", "match", "transport_socket")

TRANSPORT_SOCKET_KIND: Final = "envoy.transport_sockets.upstream"
_CONNECT_TIMEOUT: Final = 5.0
_BUFFER_LIMIT: Final = 1 << 20
_DNS_TYPES: Final = frozenset({DiscoveryType.STRICT_DNS, DiscoveryType.LOGICAL_DNS})
_TYPES: Final = {
    number: DiscoveryType(name) for name, number in ClusterMessage.DiscoveryType.items() if name in DiscoveryType.__members__
}


def compile_cluster(message: ClusterMessage, at: FieldPath, context: CompileContext) -> Cluster:
    """Errors of parts go to the context; the result is of use only where it then has none."""
    discovery = _discovery(message, at)
    endpoints: LoadAssignment | None = None
    http, dns, lb_policy = HttpProtocolOptions(), DnsSettings(), LbPolicy("ROUND_ROBIN")
    policies: HttpPolicies | None = None
    eds: dict[str, Any] = {}
    problems = context.problems
    with problems.collect():
        endpoints = _endpoints(message, discovery, at, context)
    with problems.collect():
        http = compile_upstream_http(message, at, context)
        policies = compile_http_policies(message, at, context)
    with problems.collect():
        dns = compile_dns_settings(message, at)
    with problems.collect():
        lb_policy = compile_lb_policy(message, at, context)
    with problems.collect():
        eds = _eds(message, discovery, at)
    original_dst: OriginalDst | None = None
    with problems.collect():
        original_dst = compile_original_dst(message, at) if discovery is DiscoveryType.ORIGINAL_DST else None
    checks: tuple[HealthCheck, ...] = ()
    outliers: OutlierSettings | None = None
    with problems.collect():
        checks = compile_health_checks(message.health_checks, at / "health_checks", context)
    with problems.collect():
        outliers = compile_outlier_detection(message, at)
    return Cluster(
        name=message.name,
        discovery=discovery,
        load_assignment=endpoints,
        **eds,
        alt_stat_name=message.alt_stat_name,
        connect_timeout=seconds_or(message, "connect_timeout", _CONNECT_TIMEOUT, at),
        lb_policy=lb_policy.name,
        lb_config=lb_policy.config,
        subsets=lb_policy.subsets,
        locality_weighted=lb_policy.locality_weighted,
        fail_traffic_on_panic=lb_policy.fail_traffic_on_panic,
        panic_threshold=panic_threshold(message),
        circuit_breakers=(_breakers(message, 0), _breakers(message, 1)),
        dns=dns,
        http=http,
        http_policies=policies,
        per_connection_buffer_limit=wrapped(message, "per_connection_buffer_limit_bytes", _BUFFER_LIMIT),
        tcp_keepalive=_keepalive(message),
        source_addresses=_source_addresses(message, at, context),
        wait_for_warm_on_init=wrapped(message, "wait_for_warm_on_init", True),
        metadata=metadata_dict(message.metadata),
        transport_socket=_transport_socket(message, at / "transport_socket", context),
        transport_socket_matches=compile_socket_matches(message, at / "transport_socket_matches", context),
        secret_references=frozenset(context.secret_references),
        added_via_api=context.added_via_api,
        health_checks=checks,
        outlier_detection=outliers,
        original_dst=original_dst,
        ignore_health_on_host_removal=message.ignore_health_on_host_removal,
    )


def _source_addresses(message: ClusterMessage, at: FieldPath, context: CompileContext) -> tuple[SourceAddress, ...]:
    own = message.upstream_bind_config if message.HasField("upstream_bind_config") else None
    shared = context.upstream_bind_config
    owner = "Bootstrap" if own is None else f"Cluster {message.name}"
    return compile_source_addresses(own, at / "upstream_bind_config", owner, shared)


def _discovery(message: ClusterMessage, at: FieldPath) -> DiscoveryType:
    kind = message.WhichOneof("cluster_discovery_type")
    if kind == "cluster_type":
        raise ConfigError(at / "cluster_type", "not supported")
    discovery = _TYPES.get(message.type)
    if discovery is None:
        raise ConfigError(at / "type", f"undefined value {message.type}")
    return discovery


def _endpoints(
    message: ClusterMessage, discovery: DiscoveryType, at: FieldPath, context: CompileContext
) -> LoadAssignment | None:
    if discovery in (DiscoveryType.EDS, DiscoveryType.ORIGINAL_DST):
        return None
    at = at / "load_assignment"
    if discovery in _DNS_TYPES:
        _check_dns_endpoints(message, discovery, at)
    return compile_load_assignment(message.load_assignment, at, context, names_allowed=discovery in _DNS_TYPES)


def _check_dns_endpoints(message: ClusterMessage, discovery: DiscoveryType, at: FieldPath) -> None:
    localities = message.load_assignment.endpoints
    if discovery is DiscoveryType.LOGICAL_DNS and (len(localities) != 1 or len(localities[0].lb_endpoints) != 1):
        raise ConfigError(at, "LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint")
    for locality in localities:
        if any(endpoint.endpoint.address.socket_address.resolver_name for endpoint in locality.lb_endpoints):
            raise ConfigError(at, f"{discovery.value} clusters must NOT have a custom resolver name set")


def _eds(message: ClusterMessage, discovery: DiscoveryType, at: FieldPath) -> dict[str, Any]:
    """The fields of a Cluster that say where endpoints come from."""
    at = at / "eds_cluster_config"
    if discovery is not DiscoveryType.EDS:
        if message.HasField("eds_cluster_config"):
            raise ConfigError(at, "eds_cluster_config set in a non-EDS cluster")
        return {}
    if not message.HasField("eds_cluster_config"):
        raise ConfigError(at, "cannot create an EDS cluster without an EDS config")
    source = compile_config_source(message.eds_cluster_config.eds_config, at / "eds_config")
    return {
        "eds_service_name": message.eds_cluster_config.service_name or message.name,
        "eds_source": source,
        "eds_fetch_timeout": source.initial_fetch_timeout,
    }


def _breakers(message: ClusterMessage, priority: int) -> CircuitBreakerThresholds:
    """The first thresholds of *priority*; later ones count for nothing, as in Envoy."""
    found = [each for each in message.circuit_breakers.thresholds if each.priority == priority]
    if not found:
        return CircuitBreakerThresholds()
    return CircuitBreakerThresholds(
        max_connections=wrapped(found[0], "max_connections", 1024),
        max_pending_requests=wrapped(found[0], "max_pending_requests", 1024),
        max_requests=wrapped(found[0], "max_requests", 1024),
        max_retries=wrapped(found[0], "max_retries", 3),
        track_remaining=found[0].track_remaining,
        retry_budget=_retry_budget(found[0].retry_budget) if found[0].HasField("retry_budget") else None,
    )


def _retry_budget(message: CircuitBreakers.Thresholds.RetryBudget) -> RetryBudget:
    percent = message.budget_percent.value if message.HasField("budget_percent") else 20.0
    return RetryBudget(percent / 100, wrapped(message, "min_retry_concurrency", 3))


def _keepalive(message: ClusterMessage) -> TcpKeepalive | None:
    if not message.upstream_connection_options.HasField("tcp_keepalive"):
        return None
    keepalive = message.upstream_connection_options.tcp_keepalive
    return TcpKeepalive(
        probes=wrapped(keepalive, "keepalive_probes", 0),
        time=wrapped(keepalive, "keepalive_time", 0),
        interval=wrapped(keepalive, "keepalive_interval", 0),
    )


def _transport_socket(message: Any, at: FieldPath, context: CompileContext) -> object | None:
    """Of a cluster or of one of its matches; *at* is the field."""
    if not message.HasField("transport_socket"):
        return None
    socket = message.transport_socket
    at = at / "typed_config"
    compile_config, config = find_extension(TRANSPORT_SOCKET_KIND, socket.typed_config, socket.name, at)
    compiled: object | None = compile_config(config, at, context)
    return compiled


def compile_socket_matches(message: Any, at: FieldPath, context: CompileContext) -> tuple[TransportSocketMatch, ...]:
    """`transport_socket_matches` of a Cluster or of another message that has them."""
    compiled = []
    for index, match in enumerate(message.transport_socket_matches):
        with context.problems.collect():
            socket = _transport_socket(match, at / index / "transport_socket", context)
            compiled.append(TransportSocketMatch(match.name, MappingProxyType(struct_dict(match.match)), socket))
    return tuple(compiled)
