"""Route → routing.route.Route: the match, one action, and what the levels above it hand down.

Not here: the match (route_match), the actions (route_action, answers), virtual hosts (route_config).  Envoy: config.route.v3.Route.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from envoy.config.route.v3.route_components_pb2 import NonForwardingAction as NonForwardingMessage
from envoy.config.route.v3.route_components_pb2 import Route as RouteMessage
from google.protobuf.message import Message

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.answers import compile_direct_response, compile_redirect
from dataplane.compile.context import CompileContext
from dataplane.compile.header_mutations import compile_mutations
from dataplane.compile.per_filter_config import compile_per_filter_config
from dataplane.compile.route_action import compile_forward
from dataplane.compile.route_match import compile_route_match
from dataplane.compile.support import ignores, supports
from dataplane.compile.tracing import OF_SPANS, compile_route_tracing
from dataplane.compile.units import metadata_dict
from dataplane.matching.path import PathSpecifier
from dataplane.resilience.retry import RetryPolicy
from dataplane.routing.mirror import MirrorPolicy
from dataplane.routing.route import Action, HeaderMutations, NonForwardingAction, Route, VirtualCluster
from dataplane.routing.trace_sampling import TraceSampling

supports(
    RouteMessage,
    "name",
    "match",
    "route",
    "redirect",
    "direct_response",
    "non_forwarding_action",
    "metadata",
    "tracing",
    "typed_per_filter_config",
    "request_headers_to_add",
    "request_headers_to_remove",
    "response_headers_to_add",
    "response_headers_to_remove",
    "per_request_buffer_limit_bytes",
    "request_body_buffer_limit",
)
ignores(RouteMessage, "decorator", because=OF_SPANS)
supports(NonForwardingMessage)


@dataclass(frozen=True, slots=True)
class Inherited:
    """What the virtual host and the route configuration hand down to their routes.

    outer: their mutations, the virtual host's first.  most_specific_wins: apply the route's last instead of first.
    """

    virtual_host: str
    virtual_clusters: tuple[VirtualCluster, ...]
    outer: tuple[HeaderMutations, ...]
    most_specific_wins: bool
    per_filter_config: Mapping[str, object]
    retry_policy: RetryPolicy | None
    request_buffer_limit: int | None
    mirrors: tuple[MirrorPolicy, ...]
    max_direct_response_body: int
    include_attempt_count: bool = False
    include_attempt_count_in_response: bool = False


def compile_route(message: RouteMessage, inherited: Inherited, at: FieldPath, context: CompileContext) -> Route:
    match = compile_route_match(message.match, at / "match", context)
    filters = compile_per_filter_config(
        message.typed_per_filter_config, inherited.per_filter_config, at / "typed_per_filter_config", context
    )
    own = compile_mutations(message, at, context)
    limit = buffer_limit(message, at)
    return Route(
        name=message.name,
        matches=match.matches,
        action=_compile_action(message, match.path, inherited, filters, at, context),
        match_key=match.key,
        mutations=_levels(own, inherited),
        per_filter_config=filters,
        metadata=metadata_dict(message.metadata),
        request_buffer_limit=inherited.request_buffer_limit if limit is None else limit,
        virtual_host=inherited.virtual_host,
        virtual_clusters=inherited.virtual_clusters,
        path=match.path,
        condition=match.condition,
        pathless=match.pathless,
        trace_sampling=_trace_sampling(message, at, context),
        include_attempt_count=inherited.include_attempt_count,
        include_attempt_count_in_response=inherited.include_attempt_count_in_response,
    )


def _compile_action(
    message: RouteMessage,
    path: PathSpecifier,
    inherited: Inherited,
    filters: Mapping[str, object],
    at: FieldPath,
    context: CompileContext,
) -> Action:
    kind = message.WhichOneof("action")
    match kind:
        case "route":
            return compile_forward(message.route, path, inherited.retry_policy, inherited.mirrors, filters, at / "route", context)
        case "redirect":
            return compile_redirect(message.redirect, path, at / "redirect")
        case "direct_response":
            return compile_direct_response(message.direct_response, inherited.max_direct_response_body, at / "direct_response")
        case "non_forwarding_action":
            return NonForwardingAction()
        case None:
            raise ConfigError(at / "action", "is required")
    raise ConfigError(at / kind, "not supported")


def _trace_sampling(message: RouteMessage, at: FieldPath, context: CompileContext) -> TraceSampling | None:
    return compile_route_tracing(message.tracing, at / "tracing", context) if message.HasField("tracing") else None


def _levels(own: HeaderMutations | None, inherited: Inherited) -> tuple[HeaderMutations, ...]:
    if own is None:
        return inherited.outer
    return (*inherited.outer, own) if inherited.most_specific_wins else (own, *inherited.outer)


def buffer_limit(message: Message, at: FieldPath) -> int | None:
    """`request_body_buffer_limit`, or its deprecated form, of a route or virtual host; None where neither is set."""
    old, new = (message.HasField(field) for field in ("per_request_buffer_limit_bytes", "request_body_buffer_limit"))
    if old and new:
        raise ConfigError(at, "Only one of request_body_buffer_limit and per_request_buffer_limit_bytes can be specified")
    if not (old or new):
        return None
    field = "request_body_buffer_limit" if new else "per_request_buffer_limit_bytes"
    limit: int = getattr(message, field).value
    return limit
