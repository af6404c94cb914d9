"""Tree (of a YAML or JSON text, or of a Struct) → protobuf message, driven by the descriptor.

Protobuf's own `json_format` stops at the first error, knows no places, wants every type imported, and is stricter than Envoy: here
field names may be mixed snake_case and camelCase, one value stands for a list of one, and what scalars.py says about scalars.
All errors are collected.  Types with a JSON form of their own (Any, Duration, wrappers, Struct ...) are in known_types.py.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from dataplane.base.errors import ConfigError, FieldPath, Problems
from dataplane.compile.scalars import Convert, UnknownEnumName, converter, kind_of
from dataplane.compile.tree import Value


@dataclass(slots=True)
class Conversion:
    """One run.  allow_unknown: drop unknown fields and enum names, and keep them in `dropped`, instead of refusing them."""

    allow_unknown: bool = False
    problems: Problems = field(default_factory=Problems)
    dropped: list[ConfigError] = field(default_factory=list)

    def unknown(self, at: FieldPath, reason: str) -> None:
        if self.allow_unknown:
            self.dropped.append(ConfigError(at, reason))
        else:
            self.problems.add(at, reason)


Fill = Callable[[Message, Value, FieldPath, Conversion], None]


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """How one field is filled.  set: puts what a value says into the field of a message."""

    name: str
    set: Fill
    oneof: str
    takes_null: bool


def fill(message: Message, value: Value, at: FieldPath, run: Conversion) -> None:
    """Put what *value* says into the empty *message*.  Errors go to `run`; the message then holds what was right."""
    _fill_of(message.DESCRIPTOR)(message, value, at, run)


@cache
def _fill_of(descriptor: Descriptor) -> Fill:
    from dataplane.compile.known_types import FILLS  # the modules need each other: an Any holds messages, messages hold Anys

    return FILLS.get(descriptor.full_name, fill_fields)


def fill_fields(message: Message, value: Value, at: FieldPath, run: Conversion, skip: str = "") -> None:
    """`fill` for a message that is written as an object.  skip: a key that is not a field (the `@type` of an Any)."""
    content = value.content
    if not isinstance(content, dict):
        run.problems.add(at, f"expected an object, got {kind_of(content)}")
        return
    plans = _plans(message.DESCRIPTOR)
    chosen: dict[str, str] = {}
    for key, item in content.items():
        plan = plans.get(key)
        if plan is None:
            if key != skip:
                run.unknown(at / key, f"no such field in {message.DESCRIPTOR.full_name}{_suggestion(key, plans)}")
        elif item.content is not None or plan.takes_null:
            if plan.oneof and chosen.setdefault(plan.oneof, plan.name) != plan.name:
                run.problems.add(at / plan.name, f"only one field of {plan.oneof} may be set, and {chosen[plan.oneof]} is")
            plan.set(message, item, at / plan.name, run)


def _suggestion(key: str, plans: Mapping[str, FieldPlan]) -> str:
    close = difflib.get_close_matches(key, plans, n=1, cutoff=0.75)
    return f"; did you mean {plans[close[0]].name!r}?" if close else ""


@cache
def _plans(descriptor: Descriptor) -> Mapping[str, FieldPlan]:
    """The fields of a message by both of their names."""
    plans: dict[str, FieldPlan] = {}
    for each in descriptor.fields:
        plans[each.name] = plans[each.json_name] = _plan(each)
    return MappingProxyType(plans)


def _plan(each: FieldDescriptor) -> FieldPlan:
    containing = each.containing_oneof
    oneof = containing.name if containing is not None and len(containing.fields) > 1 else ""
    takes_null = each.message_type is not None and each.message_type.full_name == "google.protobuf.Value"
    return FieldPlan(each.name, _setter(each), oneof, takes_null)


def _setter(each: FieldDescriptor) -> Fill:
    if each.message_type is None:
        return (_set_scalars if each.is_repeated else _set_scalar)(each.name, converter(each))
    if each.message_type.GetOptions().map_entry:
        return _set_map(each.name, each.message_type)
    return (_set_messages if each.is_repeated else _set_message)(each.name)


def _set_scalar(name: str, convert: Convert) -> Fill:
    def set_field(message: Message, value: Value, at: FieldPath, run: Conversion) -> None:
        try:
            setattr(message, name, convert(value.content))
        except UnknownEnumName as error:
            run.unknown(at, str(error))
        except ValueError as error:
            run.problems.add(at, _reason(error))

    return set_field


def _set_scalars(name: str, convert: Convert) -> Fill:
    def set_field(message: Message, value: Value, at: FieldPath, run: Conversion) -> None:
        target = getattr(message, name)
        for index, item in enumerate(_items(value)):
            try:
                target.append(convert(item.content))
            except UnknownEnumName as error:
                run.unknown(at / index, str(error))
            except ValueError as error:
                run.problems.add(at / index, _reason(error))

    return set_field


def _set_message(name: str) -> Fill:
    def set_field(message: Message, value: Value, at: FieldPath, run: Conversion) -> None:
        child = getattr(message, name)
        child.SetInParent()
        fill(child, value, at, run)

    return set_field


def _set_messages(name: str) -> Fill:
    def set_field(message: Message, value: Value, at: FieldPath, run: Conversion) -> None:
        target = getattr(message, name)
        for index, item in enumerate(_items(value)):
            _fill_unless_null(target.add(), item, at / index, run)

    return set_field


def _set_map(name: str, entry: Descriptor) -> Fill:
    key_of = converter(entry.fields_by_name["key"])
    value_field = entry.fields_by_name["value"]
    value_of = None if value_field.message_type is not None else converter(value_field)

    def set_field(message: Message, value: Value, at: FieldPath, run: Conversion) -> None:
        if not isinstance(value.content, dict):
            run.problems.add(at, f"expected an object, got {kind_of(value.content)}")
            return
        target = getattr(message, name)
        for key, item in value.content.items():
            try:
                if value_of is None:
                    _fill_unless_null(target[key_of(key)], item, at / key, run)
                else:
                    target[key_of(key)] = value_of(item.content)
            except ValueError as error:
                run.problems.add(at / key, _reason(error))

    return set_field


def _items(value: Value) -> list[Value]:
    """Envoy takes a single value where a list is due."""
    return value.content if isinstance(value.content, list) else [value]


def _fill_unless_null(message: Any, value: Value, at: FieldPath, run: Conversion) -> None:
    """Null as an element of a list or map is an empty message, as in Envoy; only a Value has a null of its own."""
    if value.content is not None or message.DESCRIPTOR.full_name == "google.protobuf.Value":
        fill(message, value, at, run)


def _reason(error: ValueError) -> str:
    return "not valid Unicode" if isinstance(error, UnicodeError) else str(error)
