"""Which endpoints a client needs once more because their cluster changed.

Envoy warms a changed cluster beside the old one, and warming ends only when endpoints *arrive*, changed or not.  Delta Envoys do
not ask for them, and their ACK of the cluster waits for the warming: without this they stand still until a time-out of 15 s.

Here: from clusters to the names of their endpoints.  Not here: sending them (sotw, delta).
Spec: xDS REST and gRPC protocol, "Resource warming"; config.cluster.v3.Cluster.EdsClusterConfig.service_name.
"""

from __future__ import annotations

from collections.abc import Collection

from controlplane.base.resource import Resource
from controlplane.delivery.snapshot import TypeView
from controlplane.delivery.wire import last_field

_CLUSTER_EDS_CLUSTER_CONFIG = 3
_EDS_CLUSTER_CONFIG_SERVICE_NAME = 2


def endpoints_of(clusters: TypeView, names: Collection[str]) -> frozenset[str]:
    """Names of the ClusterLoadAssignments that the named clusters would use if they are of type EDS."""
    return frozenset(_endpoints_name(clusters.resources[name]) for name in names if name in clusters.resources)


def _endpoints_name(cluster: Resource) -> str:
    eds_config = last_field(cluster.body, _CLUSTER_EDS_CLUSTER_CONFIG)
    service_name = last_field(eds_config, _EDS_CLUSTER_CONFIG_SERVICE_NAME)
    return service_name.decode() or cluster.name
