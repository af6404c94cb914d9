"""One resource by its type URL: checked against every rule, then compiled.

A resource stands or falls as a whole: the result is a value, or InvalidResource with everything that is wrong.
Not here: how single messages compile, what resources need of each other (link, bootstrap.rules).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.config.route.v3.scoped_route_pb2 import ScopedRouteConfiguration
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from google.protobuf.message import DecodeError, Message

from dataplane.base.errors import ConfigError, FieldPath, InvalidResource
from dataplane.compile import constraints
from dataplane.compile.cluster import compile_cluster
from dataplane.compile.context import CompileContext
from dataplane.compile.endpoint import compile_load_assignment
from dataplane.compile.listener import compile_listener
from dataplane.compile.message_types import TYPE_URL_PREFIX
from dataplane.compile.route_config import compile_route_configuration
from dataplane.compile.scoped_routes import compile_route_scope
from dataplane.compile.secret import compile_secret
from dataplane.compile.support_walk import check_support


@dataclass(frozen=True, slots=True)
class CompiledResource:
    """A resource that was accepted.  value: of snapshot or routing.  What it needs of others is inside it (`rds_names`, `cluster_names`)."""

    type_url: str
    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class _Kind:
    message: type[Message]
    name_field: str
    compile: Callable[[Any, FieldPath, CompileContext], Any]


_KINDS: Final = {
    TYPE_URL_PREFIX + kind.message.DESCRIPTOR.full_name: kind
    for kind in (
        _Kind(Cluster, "name", compile_cluster),
        _Kind(ClusterLoadAssignment, "cluster_name", compile_load_assignment),
        _Kind(RouteConfiguration, "name", compile_route_configuration),
        _Kind(Listener, "name", compile_listener),
        _Kind(ScopedRouteConfiguration, "name", compile_route_scope),
        _Kind(Secret, "name", compile_secret),
    )
}


def compile_resource(type_url: str, resource: Message | bytes, context: CompileContext | None = None) -> CompiledResource:
    """Compile one resource.  Raises InvalidResource with all of its errors, and nothing else.

    context: facts of the process; its `problems` must be empty.
    """
    kind = _KINDS.get(type_url)
    if kind is None:
        raise InvalidResource([ConfigError(FieldPath(type_url), "resources of this type are not supported")])
    message: Any = _decode(kind, resource) if isinstance(resource, bytes) else resource
    name = getattr(message, kind.name_field)
    at = FieldPath(kind.message.DESCRIPTOR.name, name)
    context = context or CompileContext()
    constraints.check(message, at, context.problems)
    check_support(message, at, context.problems)
    shape = tuple(context.problems.errors)
    value = None
    with context.problems.collect():
        value = kind.compile(message, at, context)
    context.problems.errors = [*shape, *_elsewhere(context.problems.errors[len(shape) :], shape)]
    context.problems.raise_if_any()
    return CompiledResource(type_url, name, value)


def _elsewhere(errors: Sequence[ConfigError], known: Sequence[ConfigError]) -> Iterator[ConfigError]:
    """Those of *errors* that are not the consequence of a *known* one: at another place, neither above nor below."""
    places = [error.at.steps for error in known]
    for error in errors:
        steps = error.at.steps
        if not any(steps[: len(place)] == place or place[: len(steps)] == steps for place in places):
            yield error


def _decode(kind: _Kind, data: bytes) -> Message:
    message = kind.message()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        full_name = kind.message.DESCRIPTOR.full_name
        raise InvalidResource([ConfigError(FieldPath(full_name), f"not a serialized {full_name}")]) from error
    return message
