"""Messages with a JSON form of their own."""

from __future__ import annotations

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.extensions.filters.http.router.v3.router_pb2 import Router
from envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from google.protobuf import any_pb2, duration_pb2, field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.message import Message

from tests.support.tree_messages import convert, problems

TCP_PROXY = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"


@pytest.mark.parametrize(
    ("data", "seconds", "nanos"),
    [
        ("5s", 5, 0),
        ("0.5s", 0, 500_000_000),
        ("-1.5s", -1, -500_000_000),
        ("05s", 5, 0),
        ("1.123456789s", 1, 123_456_789),
        ({"seconds": 5, "nanos": 3}, 5, 3),
        ({"seconds": "5"}, 5, 0),
        ({}, 0, 0),
    ],
)
def test_durations(data: object, seconds: int, nanos: int) -> None:
    assert convert(duration_pb2.Duration(), data) == duration_pb2.Duration(seconds=seconds, nanos=nanos)


@pytest.mark.parametrize(
    "data", ["5", "5ms", "5 s", "1.s", ".5s", "+5s", "5S", "s", "", "0.1234567891s", "5e1s", 5, True, ["5s"], "٥s"]
)
def test_no_durations(data: object) -> None:
    assert problems(duration_pb2.Duration(), data)[0].startswith('expected a duration such as "1.5s"')


def test_durations_of_ten_thousand_years_at_most() -> None:
    assert problems(duration_pb2.Duration(), "315576000000s") == []
    assert problems(duration_pb2.Duration(), "315576000001s") == ["the duration 315576000001s is out of range"]


def test_timestamps() -> None:
    assert convert(timestamp_pb2.Timestamp(), "2026-01-31T12:00:00.5+01:00") == timestamp_pb2.Timestamp(
        seconds=1769857200, nanos=500_000_000
    )
    assert convert(timestamp_pb2.Timestamp(), {"seconds": 7}) == timestamp_pb2.Timestamp(seconds=7)
    assert problems(timestamp_pb2.Timestamp(), "yesterday") == [
        "expected a time such as \"2026-01-31T12:00:00Z\", got the string 'yesterday'"
    ]
    assert problems(timestamp_pb2.Timestamp(), "2026-02-31T12:00:00Z")[0].startswith("not a time")


@pytest.mark.parametrize("data", [5, "5", "5.0", {"value": 5}, {"value": "5"}])
def test_wrappers(data: object) -> None:
    assert convert(wrappers_pb2.UInt32Value(), data).value == 5


def test_no_wrappers() -> None:
    assert problems(wrappers_pb2.UInt32Value(), [5]) == ["expected an integer, got a list"]
    assert problems(wrappers_pb2.BoolValue(), 1) == ["expected true or false, got the number 1"]


def test_structs() -> None:
    data = {"a": None, "b": True, "c": 1.5, "d": "x", "e": [1, {"f": None}], "g": {}}
    struct = struct_pb2.Struct()
    struct.update({key: value for key, value in data.items() if key != "e"})
    struct.fields["e"].list_value.values.add().number_value = 1
    struct.fields["e"].list_value.values.add().struct_value.fields["f"].null_value = struct_pb2.NULL_VALUE
    assert convert(struct_pb2.Struct(), data) == struct
    assert problems(struct_pb2.Struct(), ["a"]) == ["expected an object, got a list"]
    assert problems(struct_pb2.ListValue(), {}) == ["expected a list, got an object"]
    assert problems(struct_pb2.Struct(), {"a": 10**400}) == ["a: the number is too large"]


def test_field_masks() -> None:
    assert list(convert(field_mask_pb2.FieldMask(), "fooBar.baz,c").paths) == ["foo_bar.baz", "c"]
    assert list(convert(field_mask_pb2.FieldMask(), {"paths": ["a"]}).paths) == ["a"]


def unpacked(data: object) -> Message:
    packed = convert(any_pb2.Any(), data)
    proxy = TcpProxy()
    assert packed.Unpack(proxy)
    return proxy


@pytest.mark.parametrize("prefix", ["type.googleapis.com/", "example.com/", "example.com/deep/"])
def test_anys(prefix: str) -> None:
    data = {"stat_prefix": "a", "@type": prefix + "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "cluster": "b"}
    assert unpacked(data) == TcpProxy(stat_prefix="a", cluster="b")


@pytest.mark.parametrize("wrapper", ["xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct"])
@pytest.mark.parametrize("key", ["type_url", "typeUrl"])
def test_typed_structs_become_what_they_stand_for(wrapper: str, key: str) -> None:
    data = {"@type": f"type.googleapis.com/{wrapper}", key: TCP_PROXY, "value": {"statPrefix": "a", "max_connect_attempts": 3}}
    wanted = TcpProxy(stat_prefix="a")
    wanted.max_connect_attempts.value = 3
    assert unpacked(data) == wanted


def test_a_typed_struct_of_an_unknown_type_stays_one() -> None:
    data = {
        "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
        "type_url": "x.com/istio.workload.BootstrapExtension",
        "value": {"a": 1},
    }
    assert convert(any_pb2.Any(), data).type_url == "type.googleapis.com/udpa.type.v1.TypedStruct"


def test_types_with_a_json_form_stand_in_value() -> None:
    packed = convert(any_pb2.Any(), {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "5s"})
    assert packed.value == duration_pb2.Duration(seconds=5).SerializeToString()
    assert problems(any_pb2.Any(), {"@type": "type.googleapis.com/google.protobuf.Duration", "seconds": 5}) == [
        "seconds: google.protobuf.Duration inside an Any has no field but 'value'"
    ]


def test_an_empty_object_is_an_empty_any() -> None:
    assert convert(TypedExtensionConfig(), {"typed_config": {}}).typed_config == any_pb2.Any()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"stat_prefix": "a"}, "'@type' is missing: it says which message this is"),
        ({"@type": 5}, "@type: expected a string, got the number 5"),
        ({"@type": "google.protobuf.Empty"}, "@type: 'google.protobuf.Empty' must begin with a host and a slash, like 'type.googleapis.com/'"),
        ({"@type": "type.googleapis.com/envoy.no.such.v3.Thing"}, "@type: unknown type 'type.googleapis.com/envoy.no.such.v3.Thing'"),
        ({"@type": "type.googleapis.com/os.path"}, "@type: unknown type 'type.googleapis.com/os.path'"),
        ({"@type": "type.googleapis.com/envoy.api.v2.Cluster"}, "@type: type envoy.api.v2.Cluster is of the v2 API, which is not supported"),
        ({"@type": TCP_PROXY, "nope": 1}, "nope: no such field in envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"),
        ("x", "expected an object with '@type', got the string 'x'"),
    ],
)  # fmt: skip
def test_no_anys(data: object, problem: str) -> None:
    assert problems(any_pb2.Any(), data) == [problem]


def test_messages_of_every_kind_are_found_by_their_name_alone() -> None:
    router = convert(
        any_pb2.Any(), {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router", "dynamic_stats": False}
    )
    wanted = Router()
    wanted.dynamic_stats.value = False
    found = Router()
    router.Unpack(found)
    assert found == wanted


def test_nested_lists_of_messages() -> None:
    assignment = convert(
        ClusterLoadAssignment(),
        {"endpoints": {"lb_endpoints": {"endpoint": {"address": {"socket_address": {"address": "::1", "port_value": "80"}}}}}},
    )
    assert assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.port_value == 80
    assert convert(Cluster(), {"load_assignment": {"named_endpoints": {}}}).HasField("load_assignment")
