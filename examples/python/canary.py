"""Configuration written in Python: a listener and two versions of a service, the new one with a small share of the requests.

    pointsman up &
    python examples/python/canary.py --share 10

Every message is a dataclass of `envoy-data-plane`; the editor completes fields and a type checker checks them.
"""

from __future__ import annotations

import argparse
from datetime import timedelta

from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterDiscoveryType
from envoy_data_plane.envoy.config.core.v3 import Address, AggregatedConfigSource, ApiVersion, ConfigSource, SocketAddress
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints
from envoy_data_plane.envoy.config.listener.v3 import Filter, FilterChain, Listener
from envoy_data_plane.envoy.config.route.v3 import (
    Route,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
    WeightedCluster,
    WeightedClusterClusterWeight,
)
from envoy_data_plane.envoy.extensions.filters.http.router.v3 import Router
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
    HttpFilter,
    Rds,
)
from envoy_data_plane.google.protobuf import Any

from controlplane.client import SyncClient, Writing
from controlplane.client.resources import ResourceLike


def socket(host: str, port: int) -> Address:
    return Address(socket_address=SocketAddress(address=host, port_value=port))


def cluster(name: str, host: str, port: int) -> Cluster:
    endpoint = LbEndpoint(endpoint=Endpoint(address=socket(host, port)))
    return Cluster(
        name=name,
        type=ClusterDiscoveryType.STATIC,
        connect_timeout=timedelta(seconds=1),
        load_assignment=ClusterLoadAssignment(cluster_name=name, endpoints=[LocalityLbEndpoints(lb_endpoints=[endpoint])]),
    )


def routes(share: int) -> RouteConfiguration:
    """share: percent of the requests that the new version gets."""
    split = WeightedCluster(
        clusters=[
            WeightedClusterClusterWeight(name="shop-v1", weight=100 - share),
            WeightedClusterClusterWeight(name="shop-v2", weight=share),
        ]
    )
    everything = Route(match=RouteMatch(prefix="/"), route=RouteAction(weighted_clusters=split))
    return RouteConfiguration(name="shop", virtual_hosts=[VirtualHost(name="shop", domains=["*"], routes=[everything])])


def listener(port: int) -> Listener:
    manager = HttpConnectionManager(
        stat_prefix="ingress",
        rds=Rds(
            route_config_name="shop",
            config_source=ConfigSource(ads=AggregatedConfigSource(), resource_api_version=ApiVersion.V3),
        ),
        http_filters=[HttpFilter(name="envoy.filters.http.router", typed_config=Any.pack(Router()))],
    )
    chain = FilterChain(filters=[Filter(name="envoy.filters.network.http_connection_manager", typed_config=Any.pack(manager))])
    return Listener(name="ingress", address=socket("127.0.0.1", port), filter_chains=[chain])


def configuration(share: int, port: int, upstreams: tuple[int, int]) -> list[ResourceLike]:
    return [
        cluster("shop-v1", "127.0.0.1", upstreams[0]),
        cluster("shop-v2", "127.0.0.1", upstreams[1]),
        routes(share),
        listener(port),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="http://127.0.0.1:8080")
    parser.add_argument("--share", type=int, default=10, help="percent of the requests for the new version")
    parser.add_argument("--listen", type=int, default=10000, metavar="PORT")
    parser.add_argument("--upstreams", type=int, nargs=2, default=(9001, 9002), metavar="PORT")
    parser.add_argument("--no-wait", action="store_true", help="do not wait until the proxies use it")
    arguments = parser.parse_args()
    with SyncClient(arguments.server) as client:
        resources = configuration(arguments.share, arguments.listen, tuple(arguments.upstreams))
        outcome = client.apply(*resources, writing=Writing(message=f"{arguments.share} % to the new version"))
        print(f"revision {outcome.revision.number}")
        if not arguments.no_wait:
            print("ready:", ", ".join(client.wait_ready(outcome.revision.number).ready))


if __name__ == "__main__":
    main()
