"""Small, valid Envoy resources for tests that serve configuration to real clients."""

from __future__ import annotations

from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2  # noqa: F401  (registers the message for its Any)
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2  # noqa: F401
from google.protobuf import json_format

ADS: dict[str, Any] = {"ads": {}, "resource_api_version": "V3"}

ROUTER = {
    "name": "envoy.filters.http.router",
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
}


def api_source(kind: str, cluster: str = "xds") -> dict[str, Any]:
    """A config source of its own stream.  kind: GRPC or DELTA_GRPC."""
    service = {"envoy_grpc": {"cluster_name": cluster}}
    return {
        "api_config_source": {"api_type": kind, "transport_api_version": "V3", "grpc_services": [service]},
        "resource_api_version": "V3",
    }


def eds_cluster(name: str, source: dict[str, Any] | None = None, **more: Any) -> Any:
    config = {"name": name, "type": "EDS", "eds_cluster_config": {"eds_config": source or ADS}, "connect_timeout": "1s", **more}
    return json_format.ParseDict(config, cluster_pb2.Cluster())


def endpoints(name: str, *ports: int) -> Any:
    hosts = [
        {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}, "load_balancing_weight": 1}
        for port in ports
    ]
    locality = {"locality": {"region": "here"}, "load_balancing_weight": 1, "lb_endpoints": hosts}
    return json_format.ParseDict({"cluster_name": name, "endpoints": [locality]}, endpoint_pb2.ClusterLoadAssignment())


def rds_listener(name: str, route_config: str, source: dict[str, Any] | None = None, **more: Any) -> Any:
    """An HTTP listener on a port of the kernel's choice, with routes from RDS."""
    chain = {
        "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": _manager(route_config, source)}]
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    config = {"name": name, "address": address, "filter_chains": [chain], **more}
    return json_format.ParseDict(config, listener_pb2.Listener())


def api_listener(name: str, route_config: str) -> Any:
    """A listener as gRPC clients ask for it."""
    return json_format.ParseDict(
        {"name": name, "api_listener": {"api_listener": _manager(route_config, None)}}, listener_pb2.Listener()
    )


def routes(name: str, cluster: str, prefix: str = "/", **more: Any) -> Any:
    route = {"match": {"prefix": prefix}, "route": {"cluster": cluster}}
    host = {"name": "all", "domains": ["*"], "routes": [route]}
    return json_format.ParseDict({"name": name, "virtual_hosts": [host], **more}, route_pb2.RouteConfiguration())


def _manager(route_config: str, source: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "test",
        "rds": {"route_config_name": route_config, "config_source": source or ADS},
        "http_filters": [ROUTER],
    }
