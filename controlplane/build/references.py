"""References from one resource to another that lead nowhere: warnings, because the target may be in a proxy's own bootstrap.

Here: which fields refer to what, and what is missing.  Not here: errors within one resource (preflight).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from controlplane.base import type_url as types
from controlplane.base.errors import Problem
from controlplane.base.resource import GroupName, Resource, ResourceSet
from controlplane.build.messages import decode
from controlplane.revisions.configuration import Configuration, ResourceKey


class Reference(NamedTuple):
    type_url: str
    name: str


class Dangling(NamedTuple):
    """A resource that refers to one that its group's proxies do not get."""

    key: ResourceKey
    reference: Reference

    def problem(self) -> Problem:
        missing = f"{types.short(self.reference.type_url)}{{{self.reference.name}}}"
        reason = f"refers to {missing}, which group {self.key.group} does not have"
        return Problem(reason, resource=f"{types.short(self.key.type_url)}{{{self.key.name}}}")


class References:
    """Finds dangling references; remembers what each resource refers to, because most do not change between two checks."""

    def __init__(self) -> None:
        self._known: dict[Resource, tuple[Reference, ...]] = {}

    def dangling(self, configuration: Configuration, sets: Mapping[GroupName, ResourceSet]) -> set[Dangling]:
        """Every dangling reference.  sets: what the proxies of each group get."""
        known: dict[Resource, tuple[Reference, ...]] = {}
        found: set[Dangling] = set()
        for key, resource in configuration.resources.items():
            references = self._known.get(resource)
            known[resource] = references = references_of(resource) if references is None else references
            present = sets[key.group].by_type
            found.update(Dangling(key, target) for target in references if target.name not in present.get(target.type_url, ()))
        self._known = known
        return found


def references_of(resource: Resource) -> tuple[Reference, ...]:
    """Each resource that *resource* names, once, in the order found."""
    found: dict[Reference, None] = {}
    for message in _messages(decode(resource.type_url, resource.body)):
        for target in _FINDERS.get(message.DESCRIPTOR.full_name, _nothing)(message):
            found[target] = None
    return tuple(reference for reference in found if reference.name)


def _messages(message: Message) -> Iterator[Message]:
    """The message and all in it, also inside Any."""
    if isinstance(message, AnyMessage):
        message = decode(message.type_url, message.value)
    yield message
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for item in _items(field, value):
                if isinstance(item, Message):
                    yield from _messages(item)


def _items(field: FieldDescriptor, value: Any) -> Iterator[object]:
    if not field.is_repeated:
        yield value
    elif field.message_type is not None and field.message_type.GetOptions().map_entry:
        yield from value.values()
    else:
        yield from value


# Message classes have no static types here: each finder gets the message that its key in the table below names.
Finder = Callable[[Any], Iterator[Reference]]


def _nothing(message: Any) -> Iterator[Reference]:
    return iter(())


def _cluster(message: Any) -> Iterator[Reference]:
    yield Reference(types.CLUSTER, message.cluster)


def _cluster_by_name(message: Any) -> Iterator[Reference]:
    yield Reference(types.CLUSTER, message.name)


def _grpc_cluster(message: Any) -> Iterator[Reference]:
    yield Reference(types.CLUSTER, message.cluster_name)


def _route_configuration(message: Any) -> Iterator[Reference]:
    if _from_us(message.config_source):
        yield Reference(types.ROUTE_CONFIGURATION, message.route_config_name)


def _endpoints(message: Any) -> Iterator[Reference]:
    if message.type == message.EDS and _from_us(message.eds_cluster_config.eds_config):
        yield Reference(types.CLUSTER_LOAD_ASSIGNMENT, message.eds_cluster_config.service_name or message.name)


def _secret(message: Any) -> Iterator[Reference]:
    if _from_us(message.sds_config):
        yield Reference(types.SECRET, message.name)


def _from_us(config_source: Any) -> bool:
    return config_source.WhichOneof("config_source_specifier") in ("ads", "self")


_FINDERS: Mapping[str, Finder] = {
    "envoy.config.route.v3.RouteAction": _cluster,
    "envoy.config.route.v3.RouteAction.RequestMirrorPolicy": _cluster,
    "envoy.config.route.v3.WeightedCluster.ClusterWeight": _cluster_by_name,
    "envoy.config.cluster.v3.Cluster": _endpoints,
    "envoy.config.core.v3.GrpcService.EnvoyGrpc": _grpc_cluster,
    "envoy.extensions.filters.network.http_connection_manager.v3.Rds": _route_configuration,
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy": _cluster,
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight": _cluster_by_name,
    "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig": _secret,
}
