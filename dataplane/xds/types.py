"""The resource types that a management server delivers, and what is peculiar to each.

Here: data.  A type that is missing in the table works over ADS all the same; it only has no service of its own.
Not here: what is inside a resource (compile).
Spec: xDS REST and gRPC protocol, "Resource types" and "Streaming gRPC subscriptions".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PREFIX: Final = "type.googleapis.com/"
CLUSTER: Final = PREFIX + "envoy.config.cluster.v3.Cluster"
ENDPOINT: Final = PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER: Final = PREFIX + "envoy.config.listener.v3.Listener"
ROUTE: Final = PREFIX + "envoy.config.route.v3.RouteConfiguration"
SCOPED_ROUTE: Final = PREFIX + "envoy.config.route.v3.ScopedRouteConfiguration"
SECRET: Final = PREFIX + "envoy.extensions.transport_sockets.tls.v3.Secret"
RUNTIME: Final = PREFIX + "envoy.service.runtime.v3.Runtime"
EXTENSION_CONFIG: Final = PREFIX + "envoy.config.core.v3.TypedExtensionConfig"

ADS_STREAM: Final = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
ADS_DELTA: Final = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"


@dataclass(frozen=True, slots=True)
class ResourceType:
    """noun: for texts.  full_state: a state-of-the-world response lists every resource there is, so what it leaves out is removed.

    counts_reloads: it has `config_reload` among its statistics.
    stream_method, delta_method: the type's own gRPC service, empty where it has none.
    """

    url: str
    noun: str
    full_state: bool = False
    counts_reloads: bool = False
    stream_method: str = ""
    delta_method: str = ""


def _with_service(
    url: str, noun: str, service: str, methods: str, *, full_state: bool = False, counts_reloads: bool = False
) -> ResourceType:
    path = f"/envoy.service.{service}"
    return ResourceType(url, noun, full_state, counts_reloads, f"{path}/Stream{methods}", f"{path}/Delta{methods}")


# In the order in which requests are sent when a stream opens: what others refer to comes first.
TABLE: Final = (
    _with_service(RUNTIME, "runtime layer", "runtime.v3.RuntimeDiscoveryService", "Runtime"),
    _with_service(SECRET, "secret", "secret.v3.SecretDiscoveryService", "Secrets"),
    _with_service(CLUSTER, "cluster", "cluster.v3.ClusterDiscoveryService", "Clusters", full_state=True, counts_reloads=True),
    _with_service(ENDPOINT, "endpoint assignment", "endpoint.v3.EndpointDiscoveryService", "Endpoints"),
    _with_service(LISTENER, "listener", "listener.v3.ListenerDiscoveryService", "Listeners", full_state=True),
    _with_service(
        SCOPED_ROUTE,
        "scoped route",
        "route.v3.ScopedRoutesDiscoveryService",
        "ScopedRoutes",
        full_state=True,
        counts_reloads=True,
    ),
    _with_service(ROUTE, "route configuration", "route.v3.RouteDiscoveryService", "Routes", counts_reloads=True),
    _with_service(
        EXTENSION_CONFIG,
        "extension",
        "extension.v3.ExtensionConfigDiscoveryService",
        "ExtensionConfigs",
        counts_reloads=True,
    ),
)

_RANK: Final = {known.url: rank for rank, known in enumerate(TABLE)}


def resource_type(url: str) -> ResourceType:
    """What the table says of *url*; a plain, partial-state type for any other."""
    rank = _RANK.get(url)
    return ResourceType(url, url.rpartition("/")[2]) if rank is None else TABLE[rank]


def rank(url: str) -> int:
    """Position in the order of requests; unknown types come last."""
    return _RANK.get(url, len(TABLE))
