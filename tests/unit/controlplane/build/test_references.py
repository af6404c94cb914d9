"""Which resources another one names, and which of them are missing."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.json_format import ParseDict

from controlplane.base.group import Group
from controlplane.base.resource import DEFAULT_GROUP, GroupName, Resource, Revision
from controlplane.base.type_url import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION, SECRET
from controlplane.build import messages
from controlplane.build.references import Dangling, Reference, References, references_of
from controlplane.revisions.configuration import Change, Configuration, ResourceKey, changed
from controlplane.revisions.effective import resource_sets

HTTP = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
TCP = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
ADS = {"resource_api_version": "V3", "ads": {}}


@pytest.fixture(autouse=True, scope="module")
def _messages() -> None:
    messages.load_all()


def resource(type_url: str, name: str, **fields: Any) -> Resource:
    packed = ParseDict({"@type": type_url, "name": name, **fields}, AnyMessage())
    return Resource.of(type_url, name, packed.value)


def routes(name: str, *actions: dict[str, Any]) -> Resource:
    hosts = [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": action} for action in actions]}]
    return resource(ROUTE_CONFIGURATION, name, virtual_hosts=hosts)


def listener(filter_config: dict[str, Any]) -> Resource:
    chains = [{"filters": [{"name": "f", "typed_config": filter_config}]}]
    return resource(LISTENER, "l", filter_chains=chains)


def test_routes_name_clusters_weighted_clusters_and_mirrors() -> None:
    found = references_of(
        routes(
            "r",
            {"cluster": "a", "request_mirror_policies": [{"cluster": "m"}]},
            {"weighted_clusters": {"clusters": [{"name": "b", "weight": 1}, {"name": "a", "weight": 1}]}},
            {"cluster_header": "x-cluster"},
        )
    )
    assert found == (Reference(CLUSTER, "a"), Reference(CLUSTER, "m"), Reference(CLUSTER, "b"))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"@type": HTTP, "rds": {"route_config_name": "r", "config_source": ADS}}, Reference(ROUTE_CONFIGURATION, "r")),
        ({"@type": HTTP, "rds": {"route_config_name": "r", "config_source": {"path_config_source": {"path": "/f"}}}}, None),
        ({"@type": TCP, "cluster": "t"}, Reference(CLUSTER, "t")),
        ({"@type": TCP, "weighted_clusters": {"clusters": [{"name": "w", "weight": 1}]}}, Reference(CLUSTER, "w")),
    ],
)
def test_listeners_name_route_configurations_and_clusters(config: dict[str, Any], expected: Reference | None) -> None:
    assert references_of(listener(config)) == ((expected,) if expected else ())


def test_clusters_name_their_endpoints_and_secrets_if_those_come_from_us() -> None:
    assert references_of(resource(CLUSTER, "a", type="STATIC")) == ()
    eds = {"type": "EDS", "eds_cluster_config": {"eds_config": ADS}}
    assert references_of(resource(CLUSTER, "a", **eds)) == (Reference(CLUSTER_LOAD_ASSIGNMENT, "a"),)
    eds["eds_cluster_config"] = {"eds_config": ADS, "service_name": "s"}
    assert references_of(resource(CLUSTER, "a", **eds)) == (Reference(CLUSTER_LOAD_ASSIGNMENT, "s"),)
    context = {"@type": TLS, "common_tls_context": {"tls_certificate_sds_secret_configs": [{"name": "cert", "sds_config": ADS}]}}
    secured = resource(CLUSTER, "a", type="STATIC", transport_socket={"name": "tls", "typed_config": context})
    assert references_of(secured) == (Reference(SECRET, "cert"),)


def test_a_reference_dangles_where_the_group_does_not_get_the_target() -> None:
    edge, alone = GroupName("edge"), GroupName("alone")
    current = changed(Configuration(), Change(group_puts={edge: Group(edge), alone: Group(alone, inherits=False)}))
    cluster = resource(CLUSTER, "a", type="STATIC")
    puts = {ResourceKey(DEFAULT_GROUP, CLUSTER, "a"): cluster}
    puts |= {ResourceKey(group, ROUTE_CONFIGURATION, "r"): routes("r", {"cluster": "a"}) for group in (edge, alone)}
    current = changed(current, Change(puts=puts))
    found = References().dangling(current, resource_sets(Revision(1), current, {}))
    assert found == {Dangling(ResourceKey(alone, ROUTE_CONFIGURATION, "r"), Reference(CLUSTER, "a"))}
    (problem,) = (each.problem() for each in found)
    assert (problem.resource, problem.reason) == (
        "RouteConfiguration{r}",
        "refers to Cluster{a}, which group alone does not have",
    )
