"""Tree → those messages that have a JSON form of their own: Any and TypedStruct, Duration, Timestamp, wrappers, Struct, FieldMask.

Each also takes its fields written out (`{seconds: 5}`, `{value: 5}`), as Envoy does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from dataplane.base.errors import FieldPath
from dataplane.compile.from_tree import Conversion, Fill, fill_fields
from dataplane.compile.message_types import TYPE_URL_PREFIX, full_name_of, is_v2, message_class
from dataplane.compile.scalars import converter, kind_of
from dataplane.compile.tree import Value

TYPED_STRUCTS = frozenset({"xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct"})

# 10,000 years: the range that protobuf gives a Duration.
_MAX_SECONDS = 315_576_000_000

_DURATION = re.compile(r"(-?)([0-9]+)(?:\.([0-9]{1,9}))?s", re.ASCII)
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _fill_any(message: Any, value: Value, at: FieldPath, run: Conversion) -> None:
    content = value.content
    if not isinstance(content, dict):
        run.problems.add(at, f"expected an object with '@type', got {kind_of(content)}")
        return
    if not content:
        return
    type_url = _type_url(content, at, run)
    if type_url is None:
        return
    full_name = full_name_of(type_url)
    if full_name in TYPED_STRUCTS and (inner := _inside_typed_struct(content)) is not None:
        full_name, value = inner
        type_url = TYPE_URL_PREFIX + full_name
    found = None if is_v2(full_name) else message_class(full_name)
    if found is None:
        run.problems.add(at / "@type", _no_such_type(type_url))
        return
    packed = found()
    _fill_packed(packed, value, at, run)
    message.type_url = type_url
    message.value = packed.SerializePartialToString(deterministic=True)


def _type_url(content: Mapping[str, Value], at: FieldPath, run: Conversion) -> str | None:
    stated = content.get("@type")
    if stated is None:
        run.problems.add(at, "'@type' is missing: it says which message this is")
        return None
    if not isinstance(stated.content, str):
        run.problems.add(at / "@type", f"expected a string, got {kind_of(stated.content)}")
        return None
    if stated.content.find("/") < 1:
        run.problems.add(at / "@type", f"{stated.content!r} must begin with a host and a slash, like {TYPE_URL_PREFIX!r}")
        return None
    return stated.content


def _no_such_type(type_url: str) -> str:
    name = full_name_of(type_url)
    return f"type {name} is of the v2 API, which is not supported" if is_v2(name) else f"unknown type {type_url!r}"


def _inside_typed_struct(content: Mapping[str, Value]) -> tuple[str, Value] | None:
    """Name and fields of what a TypedStruct stands for.  None where its type is not known to us: then it stays as it is."""
    stated = content.get("type_url") or content.get("typeUrl")
    if stated is None or not isinstance(stated.content, str):
        return None
    name = full_name_of(stated.content)
    if is_v2(name) or message_class(name) is None:
        return None
    fields = content.get("value")
    return name, fields if fields is not None and fields.content is not None else Value({}, stated.line, stated.column)


def _fill_packed(packed: Message, value: Value, at: FieldPath, run: Conversion) -> None:
    """The content of an Any: the fields beside `@type`, or `value` where the type has a JSON form of its own."""
    special = FILLS.get(packed.DESCRIPTOR.full_name)
    if special is None:
        fill_fields(packed, value, at, run, skip="@type")
        return
    content = value.content
    assert isinstance(content, dict)
    for key in content.keys() - {"@type", "value"}:
        run.unknown(at / key, f"{packed.DESCRIPTOR.full_name} inside an Any has no field but 'value'")
    if "value" in content:
        special(packed, content["value"], at / "value", run)


def _fill_duration(message: Any, value: Value, at: FieldPath, run: Conversion) -> None:
    content = value.content
    if isinstance(content, dict):
        fill_fields(message, value, at, run)
        return
    match = _DURATION.fullmatch(content) if isinstance(content, str) else None
    if match is None:
        run.problems.add(at, f'expected a duration such as "1.5s", got {kind_of(content)}')
        return
    sign, seconds, fraction = match.groups()
    if len(seconds) > 12 or int(seconds) > _MAX_SECONDS:
        run.problems.add(at, f"the duration {content} is out of range")
        return
    factor = -1 if sign else 1
    message.seconds = factor * int(seconds)
    message.nanos = factor * int((fraction or "").ljust(9, "0"))


def _fill_timestamp(message: Any, value: Value, at: FieldPath, run: Conversion) -> None:
    content = value.content
    if isinstance(content, dict):
        fill_fields(message, value, at, run)
        return
    match = _TIMESTAMP.fullmatch(content) if isinstance(content, str) else None
    if match is None:
        run.problems.add(at, f'expected a time such as "2026-01-31T12:00:00Z", got {kind_of(content)}')
        return
    whole, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(whole + zone.replace("Z", "+00:00"))
        message.seconds = (moment - _EPOCH) // timedelta(seconds=1)
    except (ValueError, OverflowError) as error:
        run.problems.add(at, f"not a time: {error}")
        return
    message.nanos = int((fraction or "").ljust(9, "0"))


def _wrapper(descriptor: Descriptor) -> Fill:
    convert = converter(descriptor.fields_by_name["value"])

    def fill_wrapper(message: Any, value: Value, at: FieldPath, run: Conversion) -> None:
        if isinstance(value.content, dict):
            fill_fields(message, value, at, run)
            return
        try:
            message.value = convert(value.content)
        except ValueError as error:
            run.problems.add(at, str(error))

    return fill_wrapper


def _fill_struct(message: Any, value: Value, at: FieldPath, run: Conversion) -> None:
    if not isinstance(value.content, dict):
        run.problems.add(at, f"expected an object, got {kind_of(value.content)}")
        return
    message.fields.clear()
    for key, item in value.content.items():
        _fill_value(message.fields[key], item, at / key, run)


def _fill_list_value(message: Any, value: Value, at: FieldPath, run: Conversion) -> None:
    if not isinstance(value.content, list):
        run.problems.add(at, f"expected a list, got {kind_of(value.content)}")
        return
    for index, item in enumerate(value.content):
        _fill_value(message.values.add(), item, at / index, run)


def _fill_value(message: Any, value: Value, at: FieldPath, run: Conversion) -> None:
    content = value.content
    if content is None:
        message.null_value = 0
    elif isinstance(content, bool):
        message.bool_value = content
    elif isinstance(content, str):
        message.string_value = content
    elif isinstance(content, dict):
        message.struct_value.SetInParent()
        _fill_struct(message.struct_value, value, at, run)
    elif isinstance(content, list):
        message.list_value.SetInParent()
        _fill_list_value(message.list_value, value, at, run)
    else:
        try:
            message.number_value = float(content)
        except OverflowError:
            run.problems.add(at, "the number is too large")


def _fill_field_mask(message: Any, value: Value, at: FieldPath, run: Conversion) -> None:
    if not isinstance(value.content, str):
        fill_fields(message, value, at, run)
        return
    for path in filter(None, value.content.split(",")):
        message.paths.append(re.sub("[A-Z]", lambda upper: "_" + upper.group().lower(), path))


def _all_fills() -> dict[str, Fill]:
    from google.protobuf import wrappers_pb2

    named: dict[str, Fill] = {
        "Any": _fill_any,
        "Duration": _fill_duration,
        "Timestamp": _fill_timestamp,
        "Struct": _fill_struct,
        "ListValue": _fill_list_value,
        "Value": _fill_value,
        "FieldMask": _fill_field_mask,
    }
    named |= {name: _wrapper(each) for name, each in wrappers_pb2.DESCRIPTOR.message_types_by_name.items()}
    return {f"google.protobuf.{name}": each for name, each in named.items()}


FILLS: Mapping[str, Fill] = MappingProxyType(_all_fills())
"""By full name: how to fill the messages of this module."""
