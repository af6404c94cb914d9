"""HealthCheckSpecifier → snapshot.health_discovery.

Not here: the stream (xds.health_stream), running checks (upstream).  Envoy: service.health.v3.{HealthCheckSpecifier, ClusterHealthCheck}.
"""

from __future__ import annotations

from typing import Any, Final

from envoy.config.endpoint.v3.endpoint_components_pb2 import LbEndpoint
from envoy.service.health.v3.hds_pb2 import ClusterHealthCheck, LocalityEndpoints
from envoy.service.health.v3.hds_pb2 import HealthCheckSpecifier as SpecifierMessage
from google.protobuf.message import DecodeError

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile import constraints
from dataplane.compile.cluster import compile_socket_matches
from dataplane.compile.context import CompileContext
from dataplane.compile.endpoint import compile_endpoint
from dataplane.compile.health_check import compile_health_check
from dataplane.compile.source_address import compile_source_addresses
from dataplane.compile.support import supports
from dataplane.compile.support_walk import check_support
from dataplane.compile.units import seconds_or
from dataplane.snapshot.cluster import Cluster, DiscoveryType, LoadAssignment, Locality
from dataplane.snapshot.cluster import LocalityEndpoints as CompiledLocality
from dataplane.snapshot.health_check import HealthCheck
from dataplane.snapshot.health_discovery import HealthCheckSpecifier

supports(SpecifierMessage, "cluster_health_checks", "interval")
supports(
    ClusterHealthCheck, "cluster_name", "health_checks", "locality_endpoints", "transport_socket_matches", "upstream_bind_config"
)
supports(LocalityEndpoints, "locality", "endpoints")

# As Envoy makes these clusters.
_INTERVAL: Final = 1.0
_CONNECT_TIMEOUT: Final = 1.0
_BUFFER_LIMIT: Final = 32_768


def compile_specifier(data: bytes, context: CompileContext) -> HealthCheckSpecifier:
    """Raises InvalidResource with everything that is wrong, or ConfigError for what is no specifier at all."""
    at = FieldPath("HealthCheckSpecifier")
    message: Any = SpecifierMessage()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise ConfigError(at, "not a serialized HealthCheckSpecifier") from error
    problems = context.problems
    constraints.check(message, at, problems)
    check_support(message, at, problems)
    problems.raise_if_any()
    clusters = []
    for index, cluster in enumerate(message.cluster_health_checks):
        with problems.collect():
            clusters.append(_cluster(cluster, at / "cluster_health_checks" / index, context))
    interval = _INTERVAL
    with problems.collect():
        interval = seconds_or(message, "interval", _INTERVAL, at)
    problems.raise_if_any()
    return HealthCheckSpecifier(tuple(clusters), interval)


def _cluster(message: Any, at: FieldPath, context: CompileContext) -> Cluster:
    matches = compile_socket_matches(message, at / "transport_socket_matches", context)
    if any(reference.source is not None for reference in context.secret_references):
        raise ConfigError(at / "transport_socket_matches", "secrets that come by SDS are not supported by this version here")
    localities = tuple(
        _locality(each, at / "locality_endpoints" / index, context) for index, each in enumerate(message.locality_endpoints)
    )
    return Cluster(
        name=message.cluster_name,
        discovery=DiscoveryType.STATIC,
        load_assignment=LoadAssignment(message.cluster_name, localities),
        connect_timeout=_CONNECT_TIMEOUT,
        per_connection_buffer_limit=_BUFFER_LIMIT,
        source_addresses=compile_source_addresses(
            message.upstream_bind_config, at / "upstream_bind_config", f"Cluster {message.cluster_name}"
        ),
        transport_socket_matches=matches,
        health_checks=_checks(message.health_checks, at / "health_checks", context),
        ignore_health_on_host_removal=True,  # a host that is not asked for is not reported
    )


def _locality(message: Any, at: FieldPath, context: CompileContext) -> CompiledLocality:
    endpoints = []
    for index, endpoint in enumerate(message.endpoints):
        with context.problems.collect():
            endpoints.append(compile_endpoint(LbEndpoint(endpoint=endpoint), at / "endpoints" / index))
    locality = message.locality
    return CompiledLocality(Locality(locality.region, locality.zone, locality.sub_zone), tuple(endpoints))


def _checks(messages: Any, at: FieldPath, context: CompileContext) -> tuple[HealthCheck, ...]:
    return tuple(compile_health_check(message, at / index, context) for index, message in enumerate(messages))
