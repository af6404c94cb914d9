"""The API's messages as JSON and back.

Here: what protobuf's own JSON mapping does not give: fields of our messages are always present (scripts need not guess defaults), while
an Envoy resource inside shows only what was set.  Not here: routes, errors.
"""

from __future__ import annotations

import base64
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from controlplane.api.descriptors import Field

Json = dict[str, Any] | list[Any] | str | int | float | bool | None


class Malformed(Exception):
    """The JSON does not fit the message."""


def to_json(message: Message) -> dict[str, Any]:
    """Our own message as JSON with the field names of the .proto file."""
    fields = message.DESCRIPTOR.fields
    return {field.name: _value(field, getattr(message, field.name)) for field in fields if _is_shown(message, field)}


def from_json(fields: Json, message: Message) -> None:
    """Fill *message*.  Raises Malformed, which names the field."""
    if not isinstance(fields, dict):
        raise Malformed("the body is not a JSON object")
    try:
        ParseDict(fields, message)
    except ParseError as error:
        raise Malformed(str(error)) from error


def _is_shown(message: Message, field: Field) -> bool:
    return not field.has_presence or message.HasField(field.name)


def _value(field: Field, value: Any) -> Json:
    if not field.is_repeated:
        return _single(field, value)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return {str(key): value[key] for key in sorted(value)}
    return [_single(field, item) for item in value]


def _single(field: Field, value: Any) -> Json:
    match value:
        case Timestamp():
            return value.ToJsonString()
        case AnyMessage() | Struct():
            fields: dict[str, Any] = MessageToDict(value, preserving_proto_field_name=True)
            return fields
        case Message():
            return to_json(value)
        case bytes():
            return base64.b64encode(value).decode("ascii")
    if field.enum_type is not None:
        return str(field.enum_type.values_by_number[value].name)
    assert isinstance(value, str | int | bool), field.full_name
    return value
