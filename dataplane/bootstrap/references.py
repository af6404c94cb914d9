"""What a bootstrap refers to must be in it: clusters of static routes, servers of configuration, static secrets.

The words are Envoy's.  Not here: references between resources that come over xDS; those may arrive in any order.
Envoy: router/config_impl.cc validateClusters, config/utility.cc, server/configuration_impl.cc.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.bootstrap.find import occurrences
from dataplane.bootstrap.located import Rule

if TYPE_CHECKING:
    from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap

_MANAGERS = frozenset({"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"})
_CONFIG_SOURCES = frozenset({"envoy.config.core.v3.ConfigSource"})
_SECRET_SOURCES = frozenset({"envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig"})
_GRPC_SERVICES = frozenset({"envoy.config.core.v3.GrpcService"})
_LISTENERS = FieldPath() / "static_resources" / "listeners"
_NODE_REASON = "node 'id' and 'cluster' are required, in the 'node' of the bootstrap or by --service-node and --service-cluster"
_NO_CLUSTER = "must be a statically defined non-EDS cluster: {!r} does not exist, was added via api, or is an EDS cluster"


def route_clusters(bootstrap: Bootstrap) -> Iterator[ConfigError]:
    """A static route names a cluster that is not there.  `validate_clusters: false` allows it."""
    known = {cluster.name for cluster in bootstrap.static_resources.clusters}
    for index, listener in enumerate(bootstrap.static_resources.listeners):
        for manager, at in occurrences(listener, _MANAGERS, _LISTENERS / index):
            for routes, routes_at in _inline_routes(manager, at):
                if not (routes.HasField("validate_clusters") and not routes.validate_clusters.value):
                    yield from (
                        ConfigError(place, f"route: unknown {kind}cluster '{name}'")
                        for kind, name, place in _named_clusters(routes, routes_at)
                        if name not in known
                    )


def _inline_routes(manager: Any, at: FieldPath) -> Iterator[tuple[Any, FieldPath]]:
    """The route configurations that stand in a connection manager."""
    yield manager.route_config, at / "route_config"
    at_scopes = at / "scoped_routes" / "scoped_route_configurations_list" / "scoped_route_configurations"
    for index, scope in enumerate(manager.scoped_routes.scoped_route_configurations_list.scoped_route_configurations):
        yield scope.route_configuration, at_scopes / index / "route_configuration"


def _named_clusters(routes: Any, at: FieldPath) -> Iterator[tuple[str, str, FieldPath]]:
    yield from _mirrored(routes, at)
    for number, host in enumerate(routes.virtual_hosts):
        host_at = at / "virtual_hosts" / number
        yield from _mirrored(host, host_at)
        for index, route in enumerate(host.routes):
            action_at = host_at / "routes" / index / "route"
            yield from _mirrored(route.route, action_at)
            if route.route.cluster:
                yield "", route.route.cluster, action_at / "cluster"
            for each, weighted in enumerate(route.route.weighted_clusters.clusters):
                if weighted.name:
                    yield "weighted ", weighted.name, action_at / "weighted_clusters" / "clusters" / each / "name"


def _mirrored(message: Any, at: FieldPath) -> Iterator[tuple[str, str, FieldPath]]:
    for index, policy in enumerate(message.request_mirror_policies):
        if policy.cluster:
            yield "shadow ", policy.cluster, at / "request_mirror_policies" / index / "cluster"


def config_sources(bootstrap: Bootstrap) -> Iterator[ConfigError]:
    """Where resources come from: a file that exists, or a cluster that is there from the start."""
    usable = {cluster.name for cluster in bootstrap.static_resources.clusters if cluster.type != cluster.EDS}
    secret_sources = {at / "sds_config" for _, at in occurrences(bootstrap, _SECRET_SOURCES, FieldPath())}
    for source, at in occurrences(bootstrap, _CONFIG_SOURCES, FieldPath()):
        yield from _missing_file(source, at)
        if source.HasField("api_config_source"):
            api_at = at / "api_config_source"
            yield from _api_shape(source.api_config_source, api_at)
            if at not in secret_sources:  # a listener waits for those
                yield from _api_clusters(source.api_config_source, usable, api_at)


def _missing_file(source: Any, at: FieldPath) -> Iterator[ConfigError]:
    path = source.path_config_source.path or source.path
    if path and not Path(path).exists():
        field = at / "path_config_source" / "path" if source.HasField("path_config_source") else at / "path"
        yield ConfigError(field, f"paths must refer to an existing path in the system: '{path}' does not exist")


def _api_shape(api: Any, at: FieldPath) -> Iterator[ConfigError]:
    grpc = api.api_type in (api.GRPC, api.DELTA_GRPC, api.AGGREGATED_GRPC, api.AGGREGATED_DELTA_GRPC)
    if not api.cluster_names and not api.grpc_services:
        yield ConfigError(at, "API configs must have either a gRPC service or a cluster name defined")
    elif grpc and api.cluster_names:
        yield ConfigError(at / "cluster_names", "a gRPC type must not have a cluster name specified")
    elif not grpc and api.grpc_services:
        yield ConfigError(at / "grpc_services", "if not a gRPC type, must not have a gRPC service specified")
    elif not grpc and not api.HasField("refresh_delay"):
        yield ConfigError(at / "refresh_delay", "refresh_delay is required for REST API configuration sources")


def _api_clusters(api: Any, usable: set[str], at: FieldPath) -> Iterator[ConfigError]:
    for index, name in enumerate(api.cluster_names):
        if name not in usable:
            yield ConfigError(at / "cluster_names" / index, _NO_CLUSTER.format(name))
    for index, service in enumerate(api.grpc_services):
        name = service.envoy_grpc.cluster_name
        if name and name not in usable:
            yield ConfigError(at / "grpc_services" / index / "envoy_grpc" / "cluster_name", _NO_CLUSTER.format(name))


def ads_server(bootstrap: Bootstrap) -> Iterator[ConfigError]:
    """The aggregated stream needs a server that is there from the start."""
    api = bootstrap.dynamic_resources.ads_config
    if not bootstrap.dynamic_resources.HasField("ads_config"):
        return
    at = FieldPath() / "dynamic_resources" / "ads_config"
    yield from _api_shape(api, at)
    known = {cluster.name for cluster in bootstrap.static_resources.clusters}
    for index, service in enumerate(api.grpc_services):
        name = service.envoy_grpc.cluster_name
        if name and name not in known:
            yield ConfigError(
                at / "grpc_services" / index / "envoy_grpc" / "cluster_name", f"Unknown gRPC client cluster '{name}'"
            )


def node_identity(bootstrap: Bootstrap) -> Iterator[ConfigError]:
    """Who asks for configuration must say who it is."""
    if bootstrap.node.id and bootstrap.node.cluster:
        return
    if bootstrap.dynamic_resources.HasField("ads_config"):
        yield ConfigError(FieldPath() / "node", f"ads: {_NODE_REASON}")
        return
    for _, at in occurrences(bootstrap, _CONFIG_SOURCES, FieldPath()):
        if at.steps != ("dynamic_resources", "lds_config"):
            yield ConfigError(FieldPath() / "node", f"{at}: {_NODE_REASON}")
            return


def static_secrets(bootstrap: Bootstrap) -> Iterator[ConfigError]:
    """A secret named without a source is one of the static secrets; those have one name each."""
    known = {secret.name for secret in bootstrap.static_resources.secrets}
    for name, at in _named_static_secrets(bootstrap):
        if name not in known:
            yield ConfigError(at / "name", f"Unknown static secret: {name}")


def names_of_used_secrets(bootstrap: Bootstrap) -> frozenset[str]:
    """Static secrets that something names.  Envoy looks into no other: a key that is none keeps no process from starting."""
    return frozenset(name for name, _ in _named_static_secrets(bootstrap))


def _named_static_secrets(bootstrap: Bootstrap) -> Iterator[tuple[str, FieldPath]]:
    for secret, at in occurrences(bootstrap, _SECRET_SOURCES, FieldPath()):
        if not secret.HasField("sds_config"):
            yield secret.name, at


REFERENCE_RULES: tuple[Rule, ...] = (route_clusters, config_sources, ads_server, node_identity, static_secrets)
"""All rules of this module."""
