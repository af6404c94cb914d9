"""Discovery responses as bytes, put together from resources that are serialized already.

Here: the four protobuf messages delivery writes (DiscoveryResponse, DeltaDiscoveryResponse, Resource, Any), field by field, and
a look at one field of a resource.  Not here: reading requests (xds.requests), which resources go into a response (sotw, delta).

Protobuf allows fields in any order, so the nonce, the only part that differs between streams, stands last: everything before
it is built once and shared (cache).
Spec: protobuf encoding, "Length-Delimited Records"; envoy/service/discovery/v3/discovery.proto for the field numbers.
"""

from __future__ import annotations

from collections.abc import Iterable

from controlplane.base.resource import Resource

# A field's tag is its number shifted by three, plus wire type 2 (length-delimited).
_RESPONSE_VERSION_INFO = b"\x0a"  # 1
_RESPONSE_RESOURCES = b"\x12"  # 2
_RESPONSE_TYPE_URL = b"\x22"  # 4
_RESPONSE_NONCE = b"\x2a"  # 5, the same number in both responses
_DELTA_REMOVED_RESOURCES = b"\x32"  # 6
_RESOURCE_VERSION = b"\x0a"  # 1
_RESOURCE_RESOURCE = b"\x12"  # 2
_RESOURCE_NAME = b"\x1a"  # 3
_ANY_TYPE_URL = b"\x0a"  # 1
_ANY_VALUE = b"\x12"  # 2


def sotw_response(version: str, type_url: str, resources: Iterable[Resource]) -> bytes:
    """A DiscoveryResponse that lacks only its nonce."""
    any_type_url = _text(_ANY_TYPE_URL, type_url)
    parts = [_text(_RESPONSE_VERSION_INFO, version), _text(_RESPONSE_TYPE_URL, type_url)]
    for resource in resources:
        header = any_type_url + _ANY_VALUE + _varint(len(resource.body))
        parts += (_RESPONSE_RESOURCES + _varint(len(header) + len(resource.body)) + header, resource.body)
    return b"".join(parts)


def delta_response(version: str, type_url: str, resources: Iterable[Resource], removed: Iterable[str]) -> bytes:
    """A DeltaDiscoveryResponse that lacks only its nonce."""
    any_type_url = _text(_ANY_TYPE_URL, type_url)
    parts = [_text(_RESPONSE_VERSION_INFO, version), _text(_RESPONSE_TYPE_URL, type_url)]
    for resource in resources:
        any_header = any_type_url + _ANY_VALUE + _varint(len(resource.body))
        header = (
            _text(_RESOURCE_VERSION, resource.version)
            + _text(_RESOURCE_NAME, resource.name)
            + _RESOURCE_RESOURCE
            + _varint(len(any_header) + len(resource.body))
            + any_header
        )
        parts += (_RESPONSE_RESOURCES + _varint(len(header) + len(resource.body)) + header, resource.body)
    parts += (_text(_DELTA_REMOVED_RESOURCES, name) for name in removed)
    return b"".join(parts)


def with_nonce(response: bytes, nonce: str) -> bytes:
    """The whole message, for one stream."""
    return response + _text(_RESPONSE_NONCE, nonce)


def last_field(message: bytes, number: int) -> bytes:
    """The last length-delimited field *number* of a well-formed message; empty where there is none."""
    found, at = b"", 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        match tag & 7:
            case 0:
                _, at = _read_varint(message, at)
            case 1:
                at += 8
            case 2:
                size, at = _read_varint(message, at)
                if tag >> 3 == number:
                    found = message[at : at + size]
                at += size
            case 5:
                at += 4
            case _:  # a group: no message of the API has one, so what follows is unknown to it
                break
    return found


def _text(tag: bytes, value: str) -> bytes:
    data = value.encode()
    return tag + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """A varint at a position, and the position behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
