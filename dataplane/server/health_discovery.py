"""Health checks on behalf of a health discovery service: clusters of their own, which no request is routed to.

Here: from a specifier to live clusters, and what is reported of their hosts.  Not here: the stream (xds.health_stream), checks (upstream).
Envoy: HdsDelegate, HdsCluster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dataplane.compile.context import CompileContext
from dataplane.compile.health_discovery import compile_specifier
from dataplane.snapshot.cluster import HealthStatus, Locality
from dataplane.upstream.health_check import TIMEOUT

if TYPE_CHECKING:
    from dataplane.snapshot.cluster import Cluster
    from dataplane.upstream.cluster import UpstreamCluster
    from dataplane.upstream.cluster_manager import ClusterManager
    from dataplane.upstream.host import UpstreamHost
    from dataplane.xds.health_stream import ClusterHealth, LocalityHealth


class CheckedClusters:
    """Implements xds.health_stream.HealthDelegate.  A cluster that is named again keeps its hosts and what is known of them."""

    def __init__(self, clusters: ClusterManager, context: Callable[[], CompileContext]) -> None:
        self._manager = clusters
        self._context = context
        self._clusters: dict[str, UpstreamCluster] = {}

    def take(self, specifier: bytes) -> float:
        compiled = compile_specifier(specifier, self._context())
        wanted = {cluster.name: cluster for cluster in compiled.clusters}
        for name in [name for name in self._clusters if name not in wanted]:
            self._manager.retire(self._clusters.pop(name))
        self._clusters = {name: self._follow(config) for name, config in wanted.items()}
        return compiled.interval

    def _follow(self, config: Cluster) -> UpstreamCluster:
        live = self._clusters.get(config.name)
        if live is None:
            return self._manager.make_apart(config)
        live.configure(config)
        assert config.load_assignment is not None
        live.assign(config.load_assignment)
        return live

    def health(self) -> list[ClusterHealth]:
        return [(name, _by_locality(cluster)) for name, cluster in self._clusters.items()]

    def stop(self) -> None:
        for cluster in self._clusters.values():
            cluster.close()
        self._clusters = {}


def _by_locality(cluster: UpstreamCluster) -> list[LocalityHealth]:
    found: dict[Locality, LocalityHealth] = {}
    for host in cluster.hosts:
        place = found.setdefault(host.locality, (host.locality, []))
        place[1].append((host.address, _status(host, bool(cluster.config.health_checks))))
    return list(found.values())


def _status(host: UpstreamHost, checked: bool) -> HealthStatus:
    """As Envoy tells it: degraded is not healthy, and who was never asked is not either."""
    if checked and host.is_healthy and not host.health_check_disabled:
        return HealthStatus.HEALTHY
    return HealthStatus.TIMEOUT if host.flags & TIMEOUT else HealthStatus.UNHEALTHY
