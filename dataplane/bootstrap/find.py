"""Every message of one type inside of another, with its place: down through lists, maps and the Anys of extensions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from dataplane.base.errors import ConfigError, FieldPath, InvalidResource
from dataplane.compile.fields import unpack_typed

_ANY = "google.protobuf.Any"


def occurrences(message: Message, wanted: frozenset[str], at: FieldPath) -> Iterator[tuple[Any, FieldPath]]:
    """The messages below *message* whose full name is among *wanted*.  An Any of an unknown type holds nothing."""
    leading = _leading_fields(message.DESCRIPTOR, wanted)
    for field, value in message.ListFields():
        if field.number not in leading:
            continue
        below = at / field.name
        if field.is_repeated and isinstance(value, Mapping):
            for key, item in value.items():
                yield from _in(item, wanted, below / str(key))
        elif field.is_repeated:
            for index, item in enumerate(value):
                yield from _in(item, wanted, below / index)
        else:
            yield from _in(value, wanted, below)


def _in(value: Any, wanted: frozenset[str], at: FieldPath) -> Iterator[tuple[Any, FieldPath]]:
    name = value.DESCRIPTOR.full_name
    if name == _ANY:
        if not value.type_url:
            return
        try:
            value = unpack_typed(value, at)
        except (ConfigError, InvalidResource):
            return  # reported where the type is checked
        name = value.DESCRIPTOR.full_name
    if name in wanted:
        yield value, at
    yield from occurrences(value, wanted, at)


@cache
def _leading_fields(descriptor: Descriptor, wanted: frozenset[str]) -> frozenset[int]:
    """The numbers of the fields below which a wanted message may be."""
    return frozenset(
        field.number for field in descriptor.fields if field.message_type is not None and _reaches(field.message_type, wanted)
    )


@cache
def _reaches(descriptor: Descriptor, wanted: frozenset[str]) -> bool:
    seen, waiting = {descriptor.full_name}, [descriptor]
    while waiting:
        current = waiting.pop()
        if current.full_name in wanted or current.full_name == _ANY:
            return True
        for field in current.fields:
            if field.message_type is not None and field.message_type.full_name not in seen:
                seen.add(field.message_type.full_name)
                waiting.append(field.message_type)
    return False
