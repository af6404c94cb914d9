"""The discovery services and their methods, as the v3 API names them.

Here: a table.  Not here: what the methods do (ads_service).
"""

from __future__ import annotations

from dataclasses import dataclass

from controlplane.base import type_url as urls

ADS = "envoy.service.discovery.v3.AggregatedDiscoveryService"
ADS_STREAM = "StreamAggregatedResources"
ADS_DELTA = "DeltaAggregatedResources"


@dataclass(frozen=True, slots=True)
class TypeService:
    """The service of one type.  An empty method name: the API has no such method."""

    name: str
    type_url: str
    stream: str
    delta: str
    fetch: str


def _service(name: str, type_url: str, noun: str) -> TypeService:
    return TypeService(f"envoy.service.{name}", type_url, f"Stream{noun}", f"Delta{noun}", f"Fetch{noun}")


TYPE_SERVICES = (
    _service("listener.v3.ListenerDiscoveryService", urls.LISTENER, "Listeners"),
    _service("route.v3.RouteDiscoveryService", urls.ROUTE_CONFIGURATION, "Routes"),
    _service("route.v3.ScopedRoutesDiscoveryService", urls.SCOPED_ROUTE_CONFIGURATION, "ScopedRoutes"),
    TypeService("envoy.service.route.v3.VirtualHostDiscoveryService", urls.VIRTUAL_HOST, "", "DeltaVirtualHosts", ""),
    _service("cluster.v3.ClusterDiscoveryService", urls.CLUSTER, "Clusters"),
    _service("endpoint.v3.EndpointDiscoveryService", urls.CLUSTER_LOAD_ASSIGNMENT, "Endpoints"),
    _service("secret.v3.SecretDiscoveryService", urls.SECRET, "Secrets"),
    _service("runtime.v3.RuntimeDiscoveryService", urls.RUNTIME, "Runtime"),
    _service("extension.v3.ExtensionConfigDiscoveryService", urls.EXTENSION_CONFIG, "ExtensionConfigs"),
)
