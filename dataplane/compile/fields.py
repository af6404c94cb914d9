"""Parts that many messages share → our types: Any and extensions, addresses.

Not here: durations, percentages, wrappers, metadata (units.py); data sources (data_source.py); matchers (matcher.py).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

from envoy.config.core.v3 import address_pb2
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.struct_pb2 import Value as StructValue
from udpa.type.v1.typed_struct_pb2 import TypedStruct as UdpaTypedStruct
from xds.type.v3.typed_struct_pb2 import TypedStruct

from dataplane.api import registry
from dataplane.base.address import Address, InternalAddress, PipeAddress, SocketAddress
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.from_tree import Conversion, fill
from dataplane.compile.message_types import full_name_of, is_v2, message_class, unpack
from dataplane.compile.support import supports
from dataplane.compile.tree import Value

supports(address_pb2.Address, "socket_address", "pipe", "envoy_internal_address")
supports(address_pb2.EnvoyInternalAddress, "server_listener_name", "endpoint_id")
supports(address_pb2.SocketAddress, "address", "port_value", "ipv4_compat", protocol=("TCP",))
supports(address_pb2.Pipe, "path", "mode")
supports(TypedStruct, "type_url", "value")
supports(UdpaTypedStruct, "type_url", "value")

MAX_PIPE_PATH = 107
"""Bytes, without the zero byte at the end.  Linux: unix(7), sun_path."""

_TYPED_STRUCTS: Mapping[str, type[Message]] = {each.DESCRIPTOR.full_name: each for each in (TypedStruct, UdpaTypedStruct)}


def type_name(packed: AnyMessage) -> str:
    """The full name of the message in *packed*; of what a TypedStruct stands for, if it is one.  Empty for an empty Any."""
    name = full_name_of(packed.type_url)
    if name not in _TYPED_STRUCTS:
        return name
    try:
        return full_name_of(_typed_struct(packed, FieldPath()).type_url)
    except ConfigError:
        return name  # unpacking it says what is wrong


def unpack_typed(packed: AnyMessage, at: FieldPath) -> Message:
    """The message in *packed*, through a TypedStruct.  Raises ConfigError or, for a TypedStruct with several errors, InvalidResource."""
    if full_name_of(packed.type_url) not in _TYPED_STRUCTS:
        return unpack(packed, at)
    struct = _typed_struct(packed, at)
    found = None if is_v2(full_name_of(struct.type_url)) else message_class(full_name_of(struct.type_url))
    if found is None:
        raise ConfigError(at, f"unknown type {struct.type_url!r}")
    message, run = found(), Conversion()
    fill(message, struct_tree(struct.value), at, run)
    run.problems.raise_if_any()
    return message


def find_extension(kind: str, packed: AnyMessage, name: str, at: FieldPath) -> tuple[Callable[..., Any], Message]:
    """The compile function for the extension in *packed* as a *kind* (`envoy.filters.http`), and its configuration.

    name: what the configuration calls it; only the type counts, as in Envoy.  at: the field that holds the Any.
    """
    try:
        found = registry.find(kind, type_name(packed))
    except ValueError as error:
        raise ConfigError(at, str(error)) from error
    if found is None:
        raise ConfigError(
            at, f"didn't find a registered implementation of {kind} for {name!r} with type URL: {type_name(packed)!r}"
        )
    return found, unpack_typed(packed, at)


def struct_tree(struct: Struct) -> Value:
    """A Struct as a tree, without places."""
    return Value({key: _value_tree(value) for key, value in struct.fields.items()})


def _value_tree(value: StructValue) -> Value:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return struct_tree(value.struct_value)
    if kind == "list_value":
        return Value([_value_tree(item) for item in value.list_value.values])
    return Value(None if kind in (None, "null_value") else getattr(value, kind))


def _typed_struct(packed: AnyMessage, at: FieldPath) -> Any:
    name = full_name_of(packed.type_url)
    message = _TYPED_STRUCTS[name]()
    try:
        message.ParseFromString(packed.value)
    except DecodeError as error:
        raise ConfigError(at, f"not a serialized {name}") from error
    return message


def address(message: address_pb2.Address, at: FieldPath) -> Address:
    """An address to bind or to dial: an IP address with its port, or a path."""
    which = message.WhichOneof("address")
    if which == "pipe":
        return _pipe_address(message.pipe, at / "pipe")
    if which != "socket_address":
        raise ConfigError(at, "address is necessary" if which is None else f"{which} is not supported by this version")
    found = message.socket_address
    if not is_ip(found.address):
        raise ConfigError(at / "socket_address" / "address", f"malformed IP address: {found.address}")
    return _socket_address(found, at / "socket_address")


def _pipe_address(message: address_pb2.Pipe, at: FieldPath) -> PipeAddress:
    if len(message.path.encode()) > MAX_PIPE_PATH:
        reason = f'"{message.path}" exceeds maximum UNIX domain socket path size of {MAX_PIPE_PATH + 1}.'
        raise ConfigError(at / "path", reason)
    if message.path.startswith("@") and message.mode:
        raise ConfigError(at / "mode", "Cannot set mode for Abstract AF_UNIX sockets")
    return PipeAddress(message.path, message.mode)


def named_address(message: address_pb2.Address, at: FieldPath) -> Address:
    """The address of an endpoint, whose host may be a name that DNS resolves, or which may be a listener of ours."""
    which = message.WhichOneof("address")
    if which == "envoy_internal_address":
        internal = message.envoy_internal_address
        return InternalAddress(internal.server_listener_name, internal.endpoint_id)
    if which != "socket_address":
        return address(message, at)
    return _socket_address(message.socket_address, at / "socket_address")


def _socket_address(message: address_pb2.SocketAddress, at: FieldPath) -> SocketAddress:
    if message.WhichOneof("port_specifier") != "port_value":
        raise ConfigError(at / "named_port", "named ports are not supported by this version")
    return SocketAddress(message.address, message.port_value)


def is_ip(text: str) -> bool:
    """Whether *text* is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
