"""Messages on the wire against the plain values of the state machines."""

from __future__ import annotations

import pytest
from envoy.config.core.v3 import base_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration

from dataplane.base.errors import ConfigError
from dataplane.xds.messages import DeltaRequest, RawResource, SotwRequest
from dataplane.xds.wire import DeltaCodec, SotwCodec, decode_sotw
from tests.support.xds_decoder import TYPE, body

NODE = base_pb2.Node(id="proxy-1")
BARE = AnyMessage(type_url=TYPE, value=body("a", "x"))


def packed(resource: discovery_pb2.Resource) -> AnyMessage:
    wrapper = AnyMessage()
    wrapper.Pack(resource)
    return wrapper


class TestSotw:
    codec = SotwCodec(NODE.SerializeToString())

    def test_a_request_with_everything(self) -> None:
        request = SotwRequest(TYPE, ("a", "b"), "v1", "n1", "bad a")
        message = discovery_pb2.DiscoveryRequest.FromString(self.codec.encode(request, with_node=True))
        assert message.node == NODE
        assert (message.type_url, list(message.resource_names)) == (TYPE, ["a", "b"])
        assert (message.version_info, message.response_nonce) == ("v1", "n1")
        assert (message.error_detail.code, message.error_detail.message) == (13, "bad a")

    def test_without_node_and_error_neither_is_there(self) -> None:
        message = discovery_pb2.DiscoveryRequest.FromString(self.codec.encode(SotwRequest(TYPE, ()), with_node=False))
        assert not message.HasField("node")
        assert not message.HasField("error_detail")

    def test_a_response(self) -> None:
        message = discovery_pb2.DiscoveryResponse(type_url=TYPE, version_info="v1", nonce="n1", resources=[BARE])
        message.control_plane.identifier = "cp"
        response = self.codec.decode(message.SerializeToString())
        assert (response.type_url, response.version_info, response.nonce) == (TYPE, "v1", "n1")
        assert (response.removed, response.control_plane) == ((), "cp")
        assert list(response.resources) == [RawResource("", TYPE, body("a", "x"), "v1")]

    def test_a_resource_in_a_wrapper_has_a_name_and_may_have_a_time_to_live(self) -> None:
        wrapper = discovery_pb2.Resource(name="a", version="7", resource=BARE, ttl=Duration(seconds=2, nanos=500_000_000))
        message = discovery_pb2.DiscoveryResponse(type_url=TYPE, resources=[packed(wrapper)])
        assert list(decode_sotw(message.SerializeToString()).resources) == [RawResource("a", TYPE, body("a", "x"), "7", 2.5)]

    def test_a_heartbeat_is_a_wrapper_around_nothing(self) -> None:
        wrapper = discovery_pb2.Resource(name="a", version="7", ttl=Duration(seconds=2))
        message = discovery_pb2.DiscoveryResponse(type_url=TYPE, resources=[packed(wrapper)])
        assert list(decode_sotw(message.SerializeToString()).resources) == [RawResource("a", "", None, "7", 2.0)]

    def test_a_broken_wrapper_is_left_to_the_decoder(self) -> None:
        wrapper = AnyMessage(type_url="type.googleapis.com/envoy.service.discovery.v3.Resource", value=b"\xff")
        message = discovery_pb2.DiscoveryResponse(type_url=TYPE, resources=[wrapper])
        assert list(decode_sotw(message.SerializeToString()).resources) == [RawResource("", TYPE, b"\xff")]

    def test_bytes_that_are_no_message(self) -> None:
        with pytest.raises(ConfigError, match="DiscoveryResponse: malformed message"):
            self.codec.decode(b"\xff\xff")


class TestDelta:
    codec = DeltaCodec(NODE.SerializeToString())

    def test_a_request_with_everything(self) -> None:
        request = DeltaRequest(TYPE, ("a",), ("b",), {"c": "1"}, "n1", "bad a")
        message = discovery_pb2.DeltaDiscoveryRequest.FromString(self.codec.encode(request, with_node=True))
        assert message.node == NODE
        assert (list(message.resource_names_subscribe), list(message.resource_names_unsubscribe)) == (["a"], ["b"])
        assert (dict(message.initial_resource_versions), message.response_nonce) == ({"c": "1"}, "n1")
        assert message.error_detail.message == "bad a"

    def test_without_node_and_error_neither_is_there(self) -> None:
        message = discovery_pb2.DeltaDiscoveryRequest.FromString(self.codec.encode(DeltaRequest(TYPE), with_node=False))
        assert not message.HasField("node")
        assert not message.HasField("error_detail")

    def test_a_response(self) -> None:
        message = discovery_pb2.DeltaDiscoveryResponse(
            type_url=TYPE, system_version_info="s1", nonce="n1", removed_resources=["b"], control_plane={"identifier": "cp"}
        )
        message.resources.add(name="a", version="1", resource=BARE)
        message.resources.add(name="c", version="2", ttl=Duration(seconds=3))
        response = self.codec.decode(message.SerializeToString())
        assert (response.type_url, response.version_info, response.nonce) == (TYPE, "s1", "n1")
        assert (response.removed, response.control_plane) == (("b",), "cp")
        assert list(response.resources) == [RawResource("a", TYPE, body("a", "x"), "1"), RawResource("c", "", None, "2", 3.0)]

    def test_bytes_that_are_no_message(self) -> None:
        with pytest.raises(ConfigError, match="DeltaDiscoveryResponse: malformed message"):
            self.codec.decode(b"\xff\xff")


def test_a_node_that_is_no_message_is_refused() -> None:
    with pytest.raises(ConfigError, match="Node: malformed message"):
        SotwCodec(b"\xff\xff")
    with pytest.raises(ConfigError, match="Node: malformed message"):
        DeltaCodec(b"\xff\xff")
