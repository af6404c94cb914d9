"""Any, extensions, addresses."""

from __future__ import annotations

import pytest
from envoy.config.core.v3.address_pb2 import Address
from envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.struct_pb2 import Struct
from udpa.type.v1.typed_struct_pb2 import TypedStruct as UdpaTypedStruct
from xds.type.v3.typed_struct_pb2 import TypedStruct

from dataplane.base.address import PipeAddress, SocketAddress
from dataplane.base.errors import ConfigError, FieldPath, InvalidResource
from dataplane.compile.fields import address, find_extension, named_address, struct_tree, type_name, unpack_typed
from dataplane.compile.tree import plain
from tests.support.tree_messages import convert

AT = FieldPath()
NAME = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"


def packed(wrapper: type[TypedStruct] | type[UdpaTypedStruct], type_url: str, value: dict[str, object]) -> AnyMessage:
    """As it comes over xDS: a Struct inside of a wrapper inside of an Any."""
    struct = wrapper(type_url=type_url)
    convert(struct.value, value)
    found = AnyMessage()
    found.Pack(struct)
    return found


@pytest.mark.parametrize("wrapper", [TypedStruct, UdpaTypedStruct])
def test_a_typed_struct_is_unpacked_into_what_it_stands_for(wrapper: type[TypedStruct]) -> None:
    config = packed(wrapper, f"type.googleapis.com/{NAME}", {"statPrefix": "a", "idle_timeout": "5s", "max_connect_attempts": 3})
    assert type_name(config) == NAME
    wanted = TcpProxy(stat_prefix="a")
    wanted.idle_timeout.seconds = 5
    wanted.max_connect_attempts.value = 3
    assert unpack_typed(config, AT) == wanted


def test_a_typed_struct_with_errors_tells_all_of_them() -> None:
    config = packed(TypedStruct, f"x/{NAME}", {"nope": 1, "stat_prefix": 5})
    with pytest.raises(InvalidResource) as caught:
        unpack_typed(config, AT / "typed_config")
    assert sorted(str(error.at) for error in caught.value.errors) == ["typed_config.nope", "typed_config.stat_prefix"]


@pytest.mark.parametrize("type_url", ["", "x/no.such.Type", "x/envoy.api.v2.Cluster"])
def test_a_typed_struct_of_an_unknown_type(type_url: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown type '{type_url}'"):
        unpack_typed(packed(TypedStruct, type_url, {}), AT)


@pytest.mark.parametrize(
    ("type_url", "value", "reason"),
    [
        ("x/no.such.Type", b"", "unknown type 'x/no.such.Type'"),
        ("x/envoy.api.v2.Cluster", b"", r"of the v2 API"),
        (f"x/{NAME}", b"\xff", "not a serialized"),
        ("x/xds.type.v3.TypedStruct", b"\xff", "not a serialized"),
    ],
)
def test_anys_that_cannot_be_unpacked(type_url: str, value: bytes, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        unpack_typed(AnyMessage(type_url=type_url, value=value), AT)


def test_an_extension_is_found_by_category_and_type() -> None:
    config = convert(AnyMessage(), {"@type": "x/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"})
    compile_config, message = find_extension("envoy.transport_sockets.downstream", config, "raw", AT)
    assert callable(compile_config)
    assert message.DESCRIPTOR.name == "RawBuffer"
    with pytest.raises(
        ConfigError, match=r"didn't find a registered implementation of envoy\.filters\.http for 'raw' with type URL"
    ):
        find_extension("envoy.filters.http", config, "raw", AT)
    with pytest.raises(ConfigError, match="with type URL: ''"):
        find_extension("envoy.filters.http", AnyMessage(), "raw", AT)


def test_structs_as_trees() -> None:
    data = {"a": None, "b": [1.0, "x", {"c": True}], "d": {}}
    assert plain(struct_tree(convert(Struct(), data))) == data


def test_addresses() -> None:
    socket = convert(Address(), {"socket_address": {"address": "::1", "port_value": 80}})
    assert address(socket, AT) == SocketAddress("::1", 80)
    assert address(convert(Address(), {"pipe": {"path": "/x", "mode": 0o600}}), AT) == PipeAddress("/x", 0o600)
    assert address(convert(Address(), {"pipe": {"path": "@" + "x" * 106}}), AT) == PipeAddress("@" + "x" * 106)
    assert named_address(convert(Address(), {"socket_address": {"address": "a.b", "port_value": 80}}), AT) == SocketAddress(
        "a.b", 80
    )
    assert named_address(convert(Address(), {"pipe": {"path": "/x"}}), AT) == PipeAddress("/x")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({}, "address is necessary"),
        ({"pipe": {"path": "@x", "mode": 0o600}}, "pipe.mode: Cannot set mode for Abstract AF_UNIX sockets"),
        (
            {"pipe": {"path": "/" + "x" * 107}},
            'pipe.path: "/' + "x" * 107 + '" exceeds maximum UNIX domain socket path size of 108.',
        ),
        ({"envoy_internal_address": {}}, "envoy_internal_address is not supported by this version"),
        (
            {"socket_address": {"address": "localhost", "port_value": 1}},
            "socket_address.address: malformed IP address: localhost",
        ),
        (
            {"socket_address": {"address": "300.1.1.1", "port_value": 1}},
            "socket_address.address: malformed IP address: 300.1.1.1",
        ),
        (
            {"socket_address": {"address": "1.1.1.1", "named_port": "http"}},
            "socket_address.named_port: named ports are not supported by this version",
        ),
    ],
)
def test_no_addresses(data: object, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        address(convert(Address(), data), AT)
    assert str(caught.value) == problem


def test_an_extension_in_a_broken_typed_struct_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"TypedStruct"):
        find_extension("envoy.filters.http", AnyMessage(type_url="x/xds.type.v3.TypedStruct", value=b"\xff"), "a", AT)
