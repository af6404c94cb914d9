"""RouteAction.HashPolicy → routing.hash_policy.  Envoy: config.route.v3.RouteAction.HashPolicy."""

from __future__ import annotations

from collections.abc import Iterable

from envoy.config.route.v3.route_components_pb2 import RouteAction

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.matcher import compile_substitution
from dataplane.compile.support import supports
from dataplane.compile.units import seconds
from dataplane.routing.hash_policy import Evaluate, HashPolicy, NewCookie, of_cookie, of_header, of_query_parameter, of_source_ip

supports(RouteAction.HashPolicy, "header", "cookie", "connection_properties", "query_parameter", "terminal")
supports(RouteAction.HashPolicy.Header, "header_name", "regex_rewrite")
supports(RouteAction.HashPolicy.Cookie, "name", "ttl", "path", "attributes")
supports(RouteAction.HashPolicy.CookieAttribute, "name", "value")
supports(RouteAction.HashPolicy.ConnectionProperties, "source_ip")
supports(RouteAction.HashPolicy.QueryParameter, "name")


def compile_hash_policies(messages: Iterable[RouteAction.HashPolicy], at: FieldPath) -> tuple[HashPolicy, ...]:
    compiled = []
    for index, message in enumerate(messages):
        evaluate = _evaluate(message, at / index)
        if evaluate is not None:
            compiled.append(HashPolicy(evaluate, message.terminal))
    return tuple(compiled)


def _evaluate(message: RouteAction.HashPolicy, at: FieldPath) -> Evaluate | None:
    """None for one that hashes nothing."""
    kind = message.WhichOneof("policy_specifier")
    match kind:
        case "header":
            header = message.header
            rewrite = (
                compile_substitution(header.regex_rewrite, at / kind / "regex_rewrite")
                if header.HasField("regex_rewrite")
                else None
            )
            return of_header(header.header_name.lower().encode(), rewrite)
        case "cookie":
            return of_cookie(message.cookie.name.encode(), _new_cookie(message.cookie, at / kind))
        case "connection_properties":
            return of_source_ip if message.connection_properties.source_ip else None
        case "query_parameter":
            return of_query_parameter(message.query_parameter.name.encode())
    raise ConfigError(at / (kind or "policy_specifier"), "not supported" if kind else "is required")


def _new_cookie(message: RouteAction.HashPolicy.Cookie, at: FieldPath) -> NewCookie | None:
    """None where a missing cookie is not made."""
    if not message.HasField("ttl"):
        return None
    attributes = tuple((each.name.encode(), each.value.encode()) for each in message.attributes)
    return NewCookie(int(seconds(message.ttl, at / "ttl")), message.path.encode(), attributes)
