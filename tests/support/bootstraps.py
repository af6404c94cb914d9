"""Bootstraps for tests that start whole proxies: plain data, every port given by the kernel."""

from __future__ import annotations

from typing import Any

TYPE = "type.googleapis.com/envoy.extensions."
XDS_CLUSTER = "xds"


def address(port: int = 0) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def static_cluster(name: str, *ports: int, **more: Any) -> dict[str, Any]:
    endpoints = [{"endpoint": {"address": address(port)}} for port in ports]
    assignment = {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]}
    return {"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": assignment, **more}


def http_listener(name: str, routes: list[dict[str, Any]], **hcm: Any) -> dict[str, Any]:
    """A listener whose connection manager has these routes in its one virtual host."""
    manager = {
        "@type": TYPE + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "route_config": {"name": name, "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [
            {"name": "envoy.filters.http.router", "typed_config": {"@type": TYPE + "filters.http.router.v3.Router"}}
        ],
        **hcm,
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    return {"name": name, "address": address(), "filter_chains": [{"filters": filters}]}


def static(listeners: list[dict[str, Any]], clusters: list[dict[str, Any]], node: str = "test") -> dict[str, Any]:
    return {
        "node": {"id": node, "cluster": "test"},
        "admin": {"address": address()},
        "static_resources": {"listeners": listeners, "clusters": clusters},
    }


def ads(xds_port: int, node: str, api_type: str = "DELTA_GRPC") -> dict[str, Any]:
    """Everything from ADS.  api_type: DELTA_GRPC or GRPC."""
    http2 = {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": TYPE + "upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
    }
    source = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
    return {
        "node": {"id": node, "cluster": "test"},
        "admin": {"address": address()},
        "dynamic_resources": {
            "ads_config": {
                "api_type": api_type,
                "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": XDS_CLUSTER}}],
            },
            "lds_config": source,
            "cds_config": source,
        },
        "static_resources": {"clusters": [static_cluster(XDS_CLUSTER, xds_port, typed_extension_protocol_options=http2)]},
    }
