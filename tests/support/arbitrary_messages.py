"""Hypothesis strategies for protobuf messages of any type: right by shape, wrong by sense."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[Any]], Any]

# Texts that mean something somewhere: names, numbers, addresses, patterns, formats.
TEXTS = st.sampled_from(
    [
        "",
        "a",
        "*",
        "*.a",
        "a.*",
        "/",
        "/a",
        "(",
        "[a-z]+",
        "%REQ(:path)%",
        "%",
        "127.0.0.1",
        "::1",
        "host",
        ":path",
        "1s",
        "\x00",
        "é",
    ]
)
NUMBERS = {
    FieldDescriptor.TYPE_INT32: st.sampled_from([0, 1, -1, 2**31 - 1, -(2**31)]),
    FieldDescriptor.TYPE_INT64: st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63)]),
    FieldDescriptor.TYPE_UINT32: st.sampled_from([0, 1, 99, 2**32 - 1]),
    FieldDescriptor.TYPE_UINT64: st.sampled_from([0, 1, 2**64 - 1]),
    FieldDescriptor.TYPE_DOUBLE: st.sampled_from([0.0, 1.5, -1.0, 1e308]),
    FieldDescriptor.TYPE_FLOAT: st.sampled_from([0.0, 1.5]),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_STRING: TEXTS,
    FieldDescriptor.TYPE_BYTES: TEXTS.map(str.encode),
}


def messages(made: type[Message], anys: tuple[type[Message], ...] = (), depth: int = 7) -> st.SearchStrategy[Any]:
    """Messages of type *made*.  anys: what an Any may hold.  depth: how deep messages are nested."""

    @st.composite
    def build(draw: Draw) -> Any:
        message = made()
        _fill(message, draw, anys, depth)
        return message

    return build()


def _fill(message: Any, draw: Draw, anys: tuple[type[Message], ...], depth: int) -> None:
    descriptor = message.DESCRIPTOR
    if descriptor.full_name == "google.protobuf.Any":
        _fill_any(message, draw, anys, depth)
        return
    fields = [field for field in descriptor.fields if field.message_type is None or depth > 0]
    if not fields:
        return
    for field in draw(st.lists(st.sampled_from(fields), max_size=4, unique_by=lambda field: field.name)):
        _set(message, field, draw, anys, depth)


def _fill_any(message: Any, draw: Draw, anys: tuple[type[Message], ...], depth: int) -> None:
    if not anys or depth <= 0:
        message.type_url = draw(st.sampled_from(["", "type.googleapis.com/none", "x"]))
        message.value = draw(st.sampled_from([b"", b"\xff"]))
        return
    inner = draw(st.sampled_from(anys))()
    _fill(inner, draw, anys, depth - 1)
    message.Pack(inner)


def _set(message: Any, field: FieldDescriptor, draw: Draw, anys: tuple[type[Message], ...], depth: int) -> None:
    inner = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        _set_map_entry(getattr(message, field.name), inner, draw, anys, depth)
    elif field.is_repeated:
        for _ in range(draw(st.integers(1, 2))):
            if inner is not None:
                _fill(getattr(message, field.name).add(), draw, anys, depth - 1)
            else:
                getattr(message, field.name).append(draw(_scalar(field)))
    elif inner is not None:
        target = getattr(message, field.name)
        target.SetInParent()
        _fill(target, draw, anys, depth - 1)
    else:
        setattr(message, field.name, draw(_scalar(field)))


def _set_map_entry(target: Any, entry: Descriptor, draw: Draw, anys: tuple[type[Message], ...], depth: int) -> None:
    key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
    name = draw(_scalar(key))
    if value.message_type is None:
        target[name] = draw(_scalar(value))
        return
    inner = message_factory.GetMessageClass(value.message_type)()
    _fill(inner, draw, anys, depth - 1)
    target[name].CopyFrom(inner)


def _scalar(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.enum_type is not None:
        return st.sampled_from([*(value.number for value in field.enum_type.values), 12345])
    return NUMBERS[field.type]
