"""Hand-made messages are what protobuf would have made."""

from __future__ import annotations

from envoy.config.cluster.v3 import cluster_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import descriptor_pb2, wrappers_pb2
from google.protobuf.any_pb2 import Any

from controlplane.base.resource import Resource
from controlplane.delivery import wire

URL = "type.googleapis.com/x.Y"

# Lengths around the places where a length takes one more byte.
SIZES = (0, 1, 127, 128, 16_383, 16_384)


def some_resources() -> list[Resource]:
    return [Resource.of(URL, f"n{size}", b"x" * size) for size in SIZES]


def test_a_sotw_response_reads_as_a_discovery_response() -> None:
    message = wire.with_nonce(wire.sotw_response("7-abc", URL, some_resources()), "n1")
    assert discovery_pb2.DiscoveryResponse.FromString(message) == discovery_pb2.DiscoveryResponse(
        version_info="7-abc",
        type_url=URL,
        nonce="n1",
        resources=[Any(type_url=URL, value=each.body) for each in some_resources()],
    )


def test_a_delta_response_reads_as_a_delta_discovery_response() -> None:
    message = wire.with_nonce(wire.delta_response("7-abc", URL, some_resources(), ["gone", "ü"]), "n1")
    assert discovery_pb2.DeltaDiscoveryResponse.FromString(message) == discovery_pb2.DeltaDiscoveryResponse(
        system_version_info="7-abc",
        type_url=URL,
        nonce="n1",
        resources=[
            discovery_pb2.Resource(name=each.name, version=each.version, resource=Any(type_url=URL, value=each.body))
            for each in some_resources()
        ],
        removed_resources=["gone", "ü"],
    )


def test_one_field_is_found_among_fields_of_every_wire_type() -> None:
    cluster = cluster_pb2.Cluster(
        name="c",
        type=cluster_pb2.Cluster.EDS,
        alt_stat_name="s" * 300,
        connect_timeout={"seconds": 1},
        eds_cluster_config={"service_name": "endpoints"},
    )
    body = cluster.SerializeToString()
    assert wire.last_field(body, 1) == b"c"
    assert wire.last_field(wire.last_field(body, 3), 2) == b"endpoints"
    assert wire.last_field(body, 99) == b""
    option = descriptor_pb2.UninterpretedOption(double_value=1.5, string_value=b"here")
    assert wire.last_field(option.SerializeToString(), 7) == b"here"
    # A float (wire type 5) in front of the field that is looked for.
    assert wire.last_field(wrappers_pb2.FloatValue(value=2).SerializeToString() + b"\x12\x01z", 2) == b"z"


def test_the_last_of_several_counts() -> None:
    assert wire.last_field(b"\x12\x01a\x12\x01b", 2) == b"b"


def test_nothing_is_found_behind_a_group() -> None:
    assert wire.last_field(b"\x12\x01a\x0b\x0c\x12\x01b", 2) == b"a"
