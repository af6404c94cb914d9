"""VirtualHost.matcher → routing.table.MatchedRoutes: a tree of request headers in the place of a list of routes.

Here: what the tree may ask, and its actions, a route or a list of routes.  Not here: the tree (matcher_tree), single routes (route).
Envoy: config.route.v3.{VirtualHost.matcher, RouteList}; type.matcher.v3.HttpRequestHeaderMatchInput.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from envoy.config.route.v3.route_components_pb2 import Route as RouteMessage
from envoy.config.route.v3.route_components_pb2 import RouteList
from envoy.type.matcher.v3.http_inputs_pb2 import HttpRequestHeaderMatchInput
from xds.type.matcher.v3.matcher_pb2 import Matcher

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.matcher_tree import TreeCompiler
from dataplane.compile.support import supports
from dataplane.matching.tree import Input
from dataplane.routing.route import Route
from dataplane.routing.table import MatchedRoutes, RouteIndex

supports(RouteList, "routes")
supports(HttpRequestHeaderMatchInput, "header_name")


def compile_route_matcher(
    message: Matcher, compile_one: Callable[[RouteMessage, FieldPath], Route], at: FieldPath
) -> tuple[MatchedRoutes, tuple[Route, ...]]:
    """The look-up and all routes that it may give.  compile_one: as for a route of the virtual host itself."""
    routes: list[Route] = []

    def action(message: Any, name: str, at: FieldPath) -> RouteIndex:
        if isinstance(message, RouteMessage):
            found = [compile_one(message, at)]
        elif isinstance(message, RouteList):
            found = [compile_one(each, at / "routes" / index) for index, each in enumerate(message.routes)]
        else:
            kind = message.DESCRIPTOR.full_name
            raise ConfigError(at, f"Didn't find a registered implementation for '{name}' with type URL: '{kind}'")
        routes.extend(found)
        return RouteIndex(found)

    inputs = {HttpRequestHeaderMatchInput.DESCRIPTOR.full_name: _header_input}
    tree = TreeCompiler(inputs, action).compile(message, at)
    return MatchedRoutes(tree), tuple(routes)


def _header_input(message: HttpRequestHeaderMatchInput) -> Input:
    name = message.header_name.lower().encode()
    if name.startswith(b":") or name == b"host":
        return lambda headers: _text(headers.pseudo(name))
    return lambda headers: _text(headers.joined(name))


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")
