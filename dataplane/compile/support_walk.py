"""The walk over a message that refuses what the support table does not have.

Whatever a configuration sets and no module declares is an error with its place: a proxy that does half of what it was told is worse
than one that says no.  The modules of extensions are imported on the way, so that their own declarations are there.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from dataplane.api import registry
from dataplane.base.errors import FieldPath, Problems
from dataplane.compile.fields import type_name, unpack_typed
from dataplane.compile.support import MessageSupport, declarations, support_of

Visit = Callable[[Any, FieldPath, Problems], None]

UNSUPPORTED = "is not supported by this version"

# Messages that are values: whoever reads the field that holds one reads all of it.
_VALUES = frozenset(
    f"google.protobuf.{name}"
    for name in (
        *("Duration", "Timestamp", "Struct", "Value", "ListValue", "Empty", "FieldMask"),
        *(
            "DoubleValue",
            "FloatValue",
            "Int64Value",
            "UInt64Value",
            "Int32Value",
            "UInt32Value",
            "BoolValue",
            "StringValue",
            "BytesValue",
        ),
    )
)


def check_support(message: Message, at: FieldPath, problems: Problems) -> None:
    """Report every field that is set in *message*, down to its Anys, and that this version does not read."""
    plans = _plans(message.DESCRIPTOR, len(declarations))
    for field, value in message.ListFields():
        visit = plans[field.number]
        if visit is not None:
            visit(value, at / field.name, problems)


@cache
def _plans(descriptor: Descriptor, declared_so_far: int) -> Mapping[int, Visit | None]:
    """For each field by number what to do when it is set; None for nothing.

    declared_so_far: makes a new plan once another module may have declared more of the message.
    """
    entry = support_of(descriptor.full_name)
    return {field.number: _plan(field, entry) for field in descriptor.fields}


def _plan(field: FieldDescriptor, entry: MessageSupport | None) -> Visit | None:
    if entry is None or not (field.name in entry.supported or field.name in entry.ignored):
        return _refuse
    if field.name in entry.ignored:
        return None
    if field.name in entry.values:
        return _values_visit(field, entry.values[field.name])
    inner = field.message_type
    if inner is None:
        return None
    if inner.GetOptions().map_entry:
        visit = _message_visit(inner.fields_by_name["value"])
        return None if visit is None else _each_value(visit)
    visit = _message_visit(field)
    return _each_item(visit) if visit is not None and field.is_repeated else visit


def _message_visit(field: FieldDescriptor) -> Visit | None:
    inner = field.message_type
    if inner is None or inner.full_name in _VALUES:
        return None
    return _check_any if inner.full_name == "google.protobuf.Any" else check_support


def _refuse(value: Any, at: FieldPath, problems: Problems) -> None:
    held = ", ".join(sorted(set(_types_inside(value))))
    problems.add(at, f"{UNSUPPORTED}, with {held} in it" if held else UNSUPPORTED)


def _types_inside(value: Any) -> Iterator[str]:
    """The types of the extensions in what is refused: that is what a person would look for in the support matrix."""
    if isinstance(value, AnyMessage):
        if value.type_url:
            yield type_name(value)
    elif isinstance(value, Message):
        for _, inner in value.ListFields():
            yield from _types_inside(inner)
    elif isinstance(value, Mapping):
        yield from _types_inside(list(value.values()))
    elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        for item in value:
            yield from _types_inside(item)


def _values_visit(field: FieldDescriptor, allowed: frozenset[str]) -> Visit:
    enum = field.enum_type
    assert enum is not None
    names = {number: value.name for number, value in enum.values_by_number.items()}

    def visit(value: int, at: FieldPath, problems: Problems) -> None:
        # A number without a name breaks a constraint, and is reported as that.
        if value in names and names[value] not in allowed:
            problems.add(at, f"the value {names[value]} {UNSUPPORTED}")

    return _each_item(visit) if field.is_repeated else visit


def _each_item(visit: Visit) -> Visit:
    def visit_all(values: Any, at: FieldPath, problems: Problems) -> None:
        for index, value in enumerate(values):
            visit(value, at / index, problems)

    return visit_all


def _each_value(visit: Visit) -> Visit:
    def visit_all(values: Any, at: FieldPath, problems: Problems) -> None:
        for key, value in values.items():
            visit(value, at / str(key), problems)

    return visit_all


def _check_any(value: Any, at: FieldPath, problems: Problems) -> None:
    """An extension.  An empty Any is left to the module that needs it."""
    if not value.type_url:
        return
    with problems.collect():
        name = type_name(value)
        if not is_supported(name):
            problems.add(at, f"type {name} {UNSUPPORTED}")
        elif name not in _VALUES:
            check_support(unpack_typed(value, at), at, problems)


def is_supported(full_name: str) -> bool:
    """Whether a message may be the content of an Any.  Imports the extension that it configures, if we have one."""
    if support_of(full_name) is None:
        module = registry.module_of(full_name)
        if module is not None:
            importlib.import_module(module)
    return full_name in _VALUES or support_of(full_name) is not None
