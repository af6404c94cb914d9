"""ScopedRoutes and ScopedRouteConfiguration → routing.scopes.

Scopes inside a listener bring their route configurations along; those of SRDS name them.
Not here: the look-up (routing.scopes), what waits for what (xds.warming).
Envoy: HttpConnectionManager.ScopedRoutes, config.route.v3.ScopedRouteConfiguration; ScopedRdsConfigSubscription.
"""

from __future__ import annotations

from collections.abc import Iterable

from envoy.config.route.v3.scoped_route_pb2 import ScopedRouteConfiguration
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    ScopedRds,
    ScopedRouteConfigurationsList,
)
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    ScopedRoutes as ScopedRoutesMessage,
)

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.config_source import compile_config_source
from dataplane.compile.context import CompileContext
from dataplane.compile.route_config import compile_route_configuration
from dataplane.compile.support import supports
from dataplane.routing.route import RouteConfiguration
from dataplane.routing.scopes import Extract, RouteScope, ScopedRoutes, ScopeKey, at_index, of_element
from dataplane.snapshot.listener import SrdsSource

supports(
    ScopedRoutesMessage,
    "name",
    "scope_key_builder",
    "rds_config_source",
    "scoped_route_configurations_list",
    "scoped_rds",
)
supports(ScopedRoutesMessage.ScopeKeyBuilder, "fragments")
supports(ScopedRoutesMessage.ScopeKeyBuilder.FragmentBuilder, "header_value_extractor")
supports(
    ScopedRoutesMessage.ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor, "name", "element_separator", "index", "element"
)
supports(ScopedRoutesMessage.ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor.KvElement, "separator", "key")
supports(ScopedRouteConfigurationsList, "scoped_route_configurations")
supports(ScopedRds, "scoped_rds_config_source")
supports(ScopedRouteConfiguration, "on_demand", "name", "route_configuration_name", "route_configuration", "key")
supports(ScopedRouteConfiguration.Key, "fragments")
supports(ScopedRouteConfiguration.Key.Fragment, "string_key")


def compile_scoped_routes(message: ScopedRoutesMessage, stat_prefix: str, at: FieldPath, context: CompileContext) -> ScopedRoutes:
    """Sources of scopes go to the context.  stat_prefix: of the connection manager."""
    fragments = _fragments(message.scope_key_builder, at / "scope_key_builder" / "fragments")
    kind = message.WhichOneof("config_specifier")
    if kind == "scoped_route_configurations_list":
        scopes = message.scoped_route_configurations_list.scoped_route_configurations
        return ScopedRoutes(message.name, fragments, _inline(scopes, at / kind / "scoped_route_configurations", context))
    if kind != "scoped_rds":
        raise ConfigError(at / "config_specifier", "is required")
    context.srds_sources.append(
        SrdsSource(
            name=message.name,
            source=compile_config_source(message.scoped_rds.scoped_rds_config_source, at / kind / "scoped_rds_config_source"),
            rds_source=compile_config_source(message.rds_config_source, at / "rds_config_source"),
            stat_prefix=stat_prefix,
        )
    )
    return ScopedRoutes(message.name, fragments)


def compile_route_scope(message: ScopedRouteConfiguration, at: FieldPath, context: CompileContext) -> RouteScope:
    """A scope that SRDS brings."""
    if not message.route_configuration_name:
        raise ConfigError(at / "route_configuration_name", "route_configuration_name is empty.")
    if message.on_demand:
        raise ConfigError(at / "on_demand", "is not supported by this version")
    return RouteScope(message.name, _key(message), message.route_configuration_name)


def _inline(
    scopes: Iterable[ScopedRouteConfiguration], at: FieldPath, context: CompileContext
) -> dict[ScopeKey, RouteConfiguration]:
    """Of two scopes with one key the last counts.  `on_demand` means nothing here: everything is there already."""
    tables: dict[ScopeKey, RouteConfiguration] = {}
    for index, scope in enumerate(scopes):
        with context.problems.collect():
            _check_inline(scope, at / index)
            at_routes = at / index / "route_configuration"
            routes = compile_route_configuration(scope.route_configuration, at_routes, context, validate_clusters=True)
            context.cluster_names.update(routes.cluster_names)
            tables[_key(scope)] = routes
    return tables


def _check_inline(scope: ScopedRouteConfiguration, at: FieldPath) -> None:
    if scope.route_configuration_name:
        reason = "Fetching routes via RDS (route_configuration_name) is not supported with inline scoped routes."
        raise ConfigError(at / "route_configuration_name", reason)
    if not scope.HasField("route_configuration"):
        raise ConfigError(at / "route_configuration", "You must specify a route_configuration with inline scoped routes.")


def _key(scope: ScopedRouteConfiguration) -> ScopeKey:
    return tuple(fragment.string_key.encode() for fragment in scope.key.fragments)


def _fragments(message: ScopedRoutesMessage.ScopeKeyBuilder, at: FieldPath) -> tuple[Extract, ...]:
    return tuple(
        _extract(each.header_value_extractor, at / index / "header_value_extractor")
        for index, each in enumerate(message.fragments)
    )


def _extract(message: ScopedRoutesMessage.ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor, at: FieldPath) -> Extract:
    name, separator = message.name.lower().encode(), message.element_separator.encode()
    kind = message.WhichOneof("extract_type")
    if kind == "element":
        return of_element(name, separator, message.element.key.encode(), message.element.separator.encode())
    if kind != "index":
        raise ConfigError(at / "extract_type", "HeaderValueExtractor extract_type not set.")
    if message.index and not separator:
        raise ConfigError(at / "index", "Index > 0 for empty string element separator.")
    return at_index(name, separator, message.index)
