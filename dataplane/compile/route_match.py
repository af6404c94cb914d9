"""RouteMatch → what a route asks of the path, and what it asks beside.

Not here: the index over routes (routing.table).  Envoy: config.route.v3.RouteMatch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from envoy.config.route.v3.route_components_pb2 import RouteMatch

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.matcher import compile_header_matchers, compile_query_matcher, compile_regex
from dataplane.compile.support import supports
from dataplane.compile.units import runtime_parts, wrapped
from dataplane.matching import path as path_rules
from dataplane.matching.header import all_headers, parse_query
from dataplane.matching.path import PathSpecifier
from dataplane.semantics.header_map import HeaderMap, RequestHeaders

supports(
    RouteMatch,
    "prefix",
    "path",
    "safe_regex",
    "connect_matcher",
    "path_separated_prefix",
    "case_sensitive",
    "runtime_fraction",
    "headers",
    "query_parameters",
    "grpc",
)
supports(RouteMatch.GrpcRouteMatchOptions)
supports(RouteMatch.ConnectMatcher)

Condition = Callable[[RequestHeaders, bytes, int], bool]  # (headers, query, random_value)
Matches = Callable[[RequestHeaders, bytes, bytes, int], bool]  # (headers, path, query, random_value)


@dataclass(frozen=True, slots=True)
class CompiledMatch:
    """Parts of a routing.route.Route."""

    path: PathSpecifier
    condition: Condition | None
    matches: Matches
    pathless: bool
    key: bytes


def compile_route_match(match: RouteMatch, at: FieldPath, context: CompileContext) -> CompiledMatch:
    path = _compile_path(match, at)
    condition = _all_of(_conditions(match, at, context))
    return CompiledMatch(
        path=path,
        condition=condition,
        matches=_both(path, condition),
        pathless=match.WhichOneof("path_specifier") == "connect_matcher",
        key=match.SerializeToString(deterministic=True),
    )


def _compile_path(match: RouteMatch, at: FieldPath) -> PathSpecifier:
    kind = match.WhichOneof("path_specifier")
    ignore_case = not wrapped(match, "case_sensitive", True)
    match kind:
        case "prefix":
            return path_rules.prefix(match.prefix.encode(), ignore_case)
        case "path":
            return path_rules.exact(match.path.encode(), ignore_case)
        case "path_separated_prefix":
            return path_rules.separated_prefix(match.path_separated_prefix.encode(), ignore_case)
        case "safe_regex":
            return path_rules.regex(compile_regex(match.safe_regex, at / "safe_regex"))
        case "connect_matcher":
            return PathSpecifier(b"")
        case None:
            raise ConfigError(at / "path_specifier", "is required")
    raise ConfigError(at / kind, "not supported")


def _conditions(match: RouteMatch, at: FieldPath, context: CompileContext) -> list[Condition]:
    """Everything beside the path, the cheapest first where the order cannot be seen."""
    conditions: list[Condition] = []
    if match.WhichOneof("path_specifier") == "connect_matcher":
        conditions.append(lambda headers, query, random_value: headers.method == b"CONNECT")
    if match.HasField("runtime_fraction"):
        numerator, denominator = runtime_parts(match.runtime_fraction, at / "runtime_fraction", context)
        conditions.append(lambda headers, query, random_value: random_value % denominator < numerator)
    if match.HasField("grpc"):
        conditions.append(lambda headers, query, random_value: _is_grpc(headers))
    if match.headers:
        holds = all_headers(compile_header_matchers(match.headers, at / "headers"))
        conditions.append(lambda headers, query, random_value: holds(headers))
    if match.query_parameters:
        conditions.append(_query_condition(match, at / "query_parameters"))
    return conditions


def _query_condition(match: RouteMatch, at: FieldPath) -> Condition:
    tests = tuple(compile_query_matcher(matcher, at / index) for index, matcher in enumerate(match.query_parameters))

    def holds(headers: RequestHeaders, query: bytes, random_value: int) -> bool:
        parameters = parse_query(query)
        return all(test(parameters) for test in tests)

    return holds


def _all_of(conditions: list[Condition]) -> Condition | None:
    if len(conditions) < 2:
        return conditions[0] if conditions else None
    required = tuple(conditions)
    return lambda headers, query, random_value: all(condition(headers, query, random_value) for condition in required)


def _both(path: PathSpecifier, condition: Condition | None) -> Matches:
    test = path.predicate()
    if condition is None:
        return lambda headers, path, query, random_value: bool(test(path))
    return lambda headers, path, query, random_value: bool(test(path)) and condition(headers, query, random_value)


def _is_grpc(headers: HeaderMap) -> bool:
    content_type = headers.get(b"content-type") or b""
    return content_type == b"application/grpc" or content_type.startswith(b"application/grpc+")
