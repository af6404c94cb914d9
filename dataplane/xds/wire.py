"""xDS messages on the wire: protobuf to and from the plain values of `messages`.

Here: the only code of this package that touches protobuf.  Not here: resources, which stay bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Protocol

from envoy.config.core.v3 import base_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.message import DecodeError

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.xds.messages import DeltaRequest, RawResource, Request, Response, SotwRequest

# Code of a NACK, as Envoy sends it (google.rpc.Code.INTERNAL); servers look at the presence of error_detail and at its text.
_NACK_CODE: Final = 13
_WRAPPED: Final = "type.googleapis.com/envoy.service.discovery.v3.Resource"


class Codec(Protocol):
    """One protocol's two messages."""

    def encode(self, request: Request, with_node: bool) -> bytes: ...

    def decode(self, body: bytes) -> Response: ...


class SotwCodec:
    """`DiscoveryRequest` and `DiscoveryResponse`.  node: a serialized config.core.v3.Node."""

    __slots__ = ("_node",)

    def __init__(self, node: bytes) -> None:
        self._node = _parse(base_pb2.Node, node)

    def encode(self, request: Request, with_node: bool) -> bytes:
        assert isinstance(request, SotwRequest)
        message = discovery_pb2.DiscoveryRequest(
            type_url=request.type_url,
            resource_names=request.resource_names,
            version_info=request.version_info,
            response_nonce=request.response_nonce,
        )
        return _finish(message, self._node if with_node else None, request.error)

    def decode(self, body: bytes) -> Response:
        return decode_sotw(body)


class DeltaCodec:
    """`DeltaDiscoveryRequest` and `DeltaDiscoveryResponse`.  node: a serialized config.core.v3.Node."""

    __slots__ = ("_node",)

    def __init__(self, node: bytes) -> None:
        self._node = _parse(base_pb2.Node, node)

    def encode(self, request: Request, with_node: bool) -> bytes:
        assert isinstance(request, DeltaRequest)
        message = discovery_pb2.DeltaDiscoveryRequest(
            type_url=request.type_url,
            resource_names_subscribe=request.subscribe,
            resource_names_unsubscribe=request.unsubscribe,
            initial_resource_versions=request.initial_resource_versions,
            response_nonce=request.response_nonce,
        )
        return _finish(message, self._node if with_node else None, request.error)

    def decode(self, body: bytes) -> Response:
        message = _parse(discovery_pb2.DeltaDiscoveryResponse, body)
        return Response(
            message.type_url,
            message.system_version_info,
            message.nonce,
            (_from_wrapper(resource) for resource in message.resources),
            tuple(message.removed_resources),
            message.control_plane.identifier,
        )


def decode_sotw(body: bytes) -> Response:
    """A serialized `DiscoveryResponse`, from a stream or from a file.  Raises ConfigError."""
    message = _parse(discovery_pb2.DiscoveryResponse, body)
    return Response(
        message.type_url,
        message.version_info,
        message.nonce,
        _sotw_resources(message),
        control_plane=message.control_plane.identifier,
    )


def _parse(kind: Any, body: bytes) -> Any:
    try:
        return kind.FromString(body)
    except DecodeError as error:
        raise ConfigError(FieldPath(kind.DESCRIPTOR.name), f"malformed message: {error}") from error


def _finish(message: Any, node: Any, error: str | None) -> bytes:
    if node is not None:
        message.node.CopyFrom(node)
    if error is not None:
        message.error_detail.code = _NACK_CODE
        message.error_detail.message = error
    return bytes(message.SerializeToString())


def _sotw_resources(message: Any) -> Iterator[RawResource]:
    for resource in message.resources:
        if resource.type_url == _WRAPPED:
            yield _unwrapped(resource.value, message.type_url)
        else:
            yield RawResource("", resource.type_url, resource.value, message.version_info)


def _unwrapped(body: bytes, type_url: str) -> RawResource:
    """A state-of-the-world resource in the wrapper of the other protocol: that is how it gets a time to live."""
    try:
        return _from_wrapper(discovery_pb2.Resource.FromString(body))
    except DecodeError:
        # Left to the decoder, which refuses this resource alone.
        return RawResource("", type_url, body)


def _from_wrapper(resource: Any) -> RawResource:
    present = resource.HasField("resource")
    return RawResource(
        resource.name,
        resource.resource.type_url,
        resource.resource.value if present else None,
        resource.version,
        resource.ttl.seconds + resource.ttl.nanos / 1e9 if resource.HasField("ttl") else None,
    )
