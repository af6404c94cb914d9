"""ClusterLoadAssignment → snapshot.cluster.LoadAssignment.

Envoy: config.endpoint.v3.{ClusterLoadAssignment, LocalityLbEndpoints, LbEndpoint, Endpoint}.
"""

from __future__ import annotations

from typing import Final

from envoy.config.core.v3.base_pb2 import Locality as LocalityMessage
from envoy.config.endpoint.v3.endpoint_components_pb2 import Endpoint as EndpointMessage
from envoy.config.endpoint.v3.endpoint_components_pb2 import LbEndpoint, LocalityLbEndpoints
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment

from dataplane.base.address import Address, SocketAddress
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile import fields
from dataplane.compile.context import CompileContext
from dataplane.compile.proxy_protocol import compile_host_tlvs
from dataplane.compile.support import ignores, supports
from dataplane.compile.units import metadata_dict, parts_of, wrapped
from dataplane.snapshot.cluster import Endpoint, HealthStatus, LoadAssignment, Locality, LocalityEndpoints

supports(ClusterLoadAssignment, "cluster_name", "endpoints", "policy")
supports(ClusterLoadAssignment.Policy, "overprovisioning_factor", "drop_overloads")
supports(ClusterLoadAssignment.Policy.DropOverload, "category", "drop_percentage")
supports(LocalityLbEndpoints, "locality", "lb_endpoints", "load_balancing_weight", "priority", "metadata")
ignores(LocalityLbEndpoints, "proximity", because="Envoy does not read it either")
supports(LbEndpoint, "endpoint", "health_status", "metadata", "load_balancing_weight")
supports(EndpointMessage, "address", "hostname", "health_check_config")
supports(LocalityMessage, "region", "zone", "sub_zone")

_OVERPROVISIONING_FACTOR: Final = 140
_HEALTH: Final = {int(status): status for status in HealthStatus}


def compile_load_assignment(
    message: ClusterLoadAssignment, at: FieldPath, context: CompileContext, *, names_allowed: bool = False
) -> LoadAssignment:
    """names_allowed: hosts may be names that DNS resolves.  Errors of single endpoints go to the context."""
    localities = tuple(
        _compile_locality(locality, at / "endpoints" / index, context, names_allowed)
        for index, locality in enumerate(message.endpoints)
    )
    return LoadAssignment(
        cluster_name=message.cluster_name,
        localities=localities,
        overprovisioning_factor=wrapped(message.policy, "overprovisioning_factor", _OVERPROVISIONING_FACTOR),
        drop_overload=_drop_overload(message.policy, at / "policy" / "drop_overloads"),
        drop_category=next((overload.category for overload in message.policy.drop_overloads), ""),
    )


def _drop_overload(policy: ClusterLoadAssignment.Policy, at: FieldPath) -> float:
    """The share of requests to drop, 0..1."""
    if len(policy.drop_overloads) > 1:
        reason = f"Cluster drop_overloads config has {len(policy.drop_overloads)} categories. Envoy only support one."
        raise ConfigError(at, reason)
    for overload in policy.drop_overloads:
        part, whole = parts_of(overload.drop_percentage, at / 0 / "drop_percentage")
        if part > whole:
            ratio = f"drop_ratio={part / whole:g}(Numerator {part} / Denominator {whole})"
            raise ConfigError(at / 0, f"Cluster drop_overloads config is invalid. {ratio}. The valid range is 0~1.")
        return part / whole
    return 0.0


def _compile_locality(
    message: LocalityLbEndpoints, at: FieldPath, context: CompileContext, names_allowed: bool
) -> LocalityEndpoints:
    endpoints = []
    for index, endpoint in enumerate(message.lb_endpoints):
        if names_allowed and endpoint.HasField("endpoint") and not endpoint.endpoint.HasField("address"):
            continue  # in Envoy the empty name, which no name server ever answers
        with context.problems.collect():
            endpoints.append(compile_endpoint(endpoint, at / "lb_endpoints" / index, names_allowed))
    locality = message.locality
    return LocalityEndpoints(
        locality=Locality(locality.region, locality.zone, locality.sub_zone),
        endpoints=tuple(endpoints),
        priority=message.priority,
        weight=wrapped(message, "load_balancing_weight", 0),
        metadata=metadata_dict(message.metadata),
    )


def compile_endpoint(message: LbEndpoint, at: FieldPath, names_allowed: bool = False) -> Endpoint:
    if message.WhichOneof("host_identifier") != "endpoint":
        raise ConfigError(at / "endpoint", "Address must be set")
    endpoint, at_endpoint = message.endpoint, at / "endpoint"
    return Endpoint(
        address=_address(endpoint, at_endpoint / "address", names_allowed),
        hostname=endpoint.hostname,
        weight=wrapped(message, "load_balancing_weight", 1),
        health_status=_health_status(message.health_status),
        metadata=metadata_dict(message.metadata),
        health_check_port=endpoint.health_check_config.port_value,
        health_check_hostname=endpoint.health_check_config.hostname,
        health_check_disabled=endpoint.health_check_config.disable_active_health_check,
        added_tlvs=compile_host_tlvs(message.metadata, at / "metadata"),
    )


def _health_status(number: int) -> HealthStatus:
    """A number that the API does not know (yet) says nothing, as in Envoy."""
    return _HEALTH.get(number, HealthStatus.UNKNOWN)


def _address(endpoint: EndpointMessage, at: FieldPath, names_allowed: bool) -> Address:
    if not endpoint.address.WhichOneof("address"):
        raise ConfigError(at, "Address must be set")
    address = fields.named_address(endpoint.address, at)
    if isinstance(address, SocketAddress) and not names_allowed and not fields.is_ip(address.host):
        advice = "Consider setting resolver_name or setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'"
        raise ConfigError(at / "socket_address" / "address", f"malformed IP address: {address.host}. {advice}")
    return address
