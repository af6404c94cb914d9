"""One question, one answer."""

from __future__ import annotations

from envoy.service.discovery.v3 import discovery_pb2

from controlplane.base.type_url import CLUSTER, CLUSTER_LOAD_ASSIGNMENT
from controlplane.delivery.cache import Cache
from controlplane.delivery.fetch import fetch
from controlplane.delivery.snapshot import advance
from controlplane.delivery.sotw import SotwRequest
from tests.support.xds_talk import resources

SNAPSHOT = advance(None, resources(1, {CLUSTER: {"a": "1", "b": "1"}, CLUSTER_LOAD_ASSIGNMENT: {"a": "1"}}))


def fetched(type_url: str, *names: str, version: str = "") -> discovery_pb2.DiscoveryResponse:
    view = SNAPSHOT.view(type_url)
    return discovery_pb2.DiscoveryResponse.FromString(fetch(view, SotwRequest(type_url, names, version), Cache()))


def test_everything_or_what_is_named() -> None:
    assert len(fetched(CLUSTER).resources) == 2
    assert len(fetched(CLUSTER, "*").resources) == 2
    assert len(fetched(CLUSTER, "a", "missing").resources) == 1
    assert len(fetched(CLUSTER_LOAD_ASSIGNMENT).resources) == 0
    assert len(fetched(CLUSTER_LOAD_ASSIGNMENT, "a").resources) == 1


def test_the_answer_does_not_depend_on_the_version_the_client_has() -> None:
    version = fetched(CLUSTER).version_info
    assert len(fetched(CLUSTER, version=version).resources) == 2
