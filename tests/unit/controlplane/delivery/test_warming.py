"""Whose endpoints a changed cluster needs."""

from __future__ import annotations

from types import MappingProxyType

from envoy.config.cluster.v3 import cluster_pb2

from controlplane.base.resource import Resource, Revision
from controlplane.base.type_url import CLUSTER
from controlplane.delivery.snapshot import TypeView
from controlplane.delivery.warming import endpoints_of


def test_endpoints_are_named_by_the_service_name_or_by_the_cluster() -> None:
    messages = (
        cluster_pb2.Cluster(name="plain", eds_cluster_config={"eds_config": {"ads": {}}}),
        cluster_pb2.Cluster(name="other", eds_cluster_config={"eds_config": {"ads": {}}, "service_name": "elsewhere"}),
        cluster_pb2.Cluster(name="static", type=cluster_pb2.Cluster.STATIC),
    )
    found = {each.name: Resource.of(CLUSTER, each.name, each.SerializeToString()) for each in messages}
    view = TypeView.of(CLUSTER, MappingProxyType(found), Revision(1))
    assert endpoints_of(view, {"plain", "other", "gone"}) == {"plain", "elsewhere"}
    assert endpoints_of(view, {"static"}) == {"static"}
