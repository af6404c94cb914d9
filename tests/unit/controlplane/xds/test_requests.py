"""What protobuf requests become, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import json_format

from controlplane.base.type_url import CLUSTER, LISTENER
from controlplane.delivery.delta import DeltaRequest
from controlplane.delivery.sotw import SotwRequest
from controlplane.delivery.status import Locality, NodeFacts
from controlplane.xds.requests import InvalidRequest, delta_request, node_facts, sotw_request


def sotw(**fields: Any) -> discovery_pb2.DiscoveryRequest:
    return json_format.ParseDict(fields, discovery_pb2.DiscoveryRequest())


def delta(**fields: Any) -> discovery_pb2.DeltaDiscoveryRequest:
    return json_format.ParseDict(fields, discovery_pb2.DeltaDiscoveryRequest())


def test_a_sotw_request() -> None:
    message = sotw(type_url=CLUSTER, resource_names=["a", "b"], version_info="7-x", response_nonce="n")
    assert sotw_request(message, "") == SotwRequest(CLUSTER, ("a", "b"), "7-x", "n", None)


def test_a_delta_request() -> None:
    message = delta(
        type_url=CLUSTER,
        resource_names_subscribe=["a"],
        resource_names_unsubscribe=["b"],
        initial_resource_versions={"a": "1"},
        response_nonce="n",
    )
    assert delta_request(message, "") == DeltaRequest(CLUSTER, ("a",), ("b",), {"a": "1"}, "n", None)


@pytest.mark.parametrize(
    ("detail", "text"),
    [
        ({"code": 3, "message": "cluster a: no"}, "cluster a: no"),
        ({"code": 13}, "code 13, no message"),
        ({}, "code 0, no message"),
    ],
)
def test_an_error_is_one_even_without_words(detail: dict[str, Any], text: str) -> None:
    assert sotw_request(sotw(type_url=CLUSTER, error_detail=detail), "").error == text
    assert delta_request(delta(type_url=CLUSTER, error_detail=detail), "").error == text


def test_a_service_of_one_type_needs_no_type_url_and_takes_no_other() -> None:
    assert sotw_request(sotw(), CLUSTER).type_url == CLUSTER
    assert delta_request(delta(type_url=CLUSTER), CLUSTER).type_url == CLUSTER
    with pytest.raises(InvalidRequest, match=r"Listener, but this service serves .*Cluster"):
        sotw_request(sotw(type_url=LISTENER), CLUSTER)


def test_an_aggregated_stream_needs_a_type_url() -> None:
    with pytest.raises(InvalidRequest, match="type_url must not be empty"):
        delta_request(delta(), "")


def test_who_is_asking() -> None:
    node = {
        "id": "n1",
        "cluster": "edge",
        "locality": {"region": "r", "zone": "z", "sub_zone": "s"},
        "metadata": {"NAMESPACE": "prod", "labels": {"app": "web"}, "ports": [1, 2.5], "on": True, "none": None},
        "user_agent_name": "envoy",
        "user_agent_build_version": {"version": {"major_number": 1, "minor_number": 40, "patch": 0}},
    }
    assert node_facts(sotw(node=node)) == NodeFacts(
        "n1",
        "edge",
        Locality("r", "z", "s"),
        {"NAMESPACE": "prod", "labels": {"app": "web"}, "ports": [1.0, 2.5], "on": True, "none": None},
        "envoy",
        "1.40.0",
    )
    plain = node_facts(delta(node={"id": "n2", "user_agent_name": "gRPC", "user_agent_version": "C-core 1.85"}))
    assert plain == NodeFacts("n2", user_agent_name="gRPC", user_agent_version="C-core 1.85")


def test_a_stream_must_begin_with_a_node_that_has_an_id() -> None:
    with pytest.raises(InvalidRequest, match="must carry node"):
        node_facts(sotw())
    with pytest.raises(InvalidRequest, match=r"node\.id must not be empty"):
        node_facts(sotw(node={"cluster": "edge"}))
