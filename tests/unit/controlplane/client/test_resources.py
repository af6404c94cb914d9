"""Messages, dataclasses and dicts all become what the API takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from google.protobuf.any_pb2 import Any as AnyMessage

from controlplane.base.type_url import CLUSTER, LISTENER
from controlplane.client.resources import Document, apply_request
from examples.python import canary


def test_protobuf_messages_are_sent_as_they_are() -> None:
    message = cluster_pb2.Cluster(name="a")
    packed = AnyMessage()
    packed.Pack(message)
    request = apply_request([message, packed], [])
    assert [(each.type_url, each.value) for each in request.resources] == [(CLUSTER, message.SerializeToString())] * 2


def test_dataclasses_give_the_same_bytes_as_protobuf() -> None:
    (encoded, listener) = apply_request([canary.cluster("a", "127.0.0.1", 80), canary.listener(10000)], []).resources
    message = cluster_pb2.Cluster.FromString(encoded.value)
    assert (encoded.type_url, message.name, message.connect_timeout.seconds) == (CLUSTER, "a", 1)
    address = message.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address
    assert (address.address, address.port_value) == ("127.0.0.1", 80)
    assert listener.type_url == LISTENER


def test_dicts_and_texts_are_sent_for_the_server_to_read() -> None:
    resource = {"@type": CLUSTER, "name": "ü"}
    request = apply_request([resource], [Document("text", "a.yaml")])
    assert [(each.source, each.text) for each in request.documents] == [
        ("a.yaml", "text"),
        ("resources[0]", json.dumps(resource)),
    ]


@pytest.mark.parametrize("wrong", ["text", b"bytes", 1, None, object()])
def test_anything_else_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError, match="is not a resource"):
        apply_request([wrong], [])
