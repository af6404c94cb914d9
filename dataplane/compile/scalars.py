"""Scalars of a text → values of protobuf fields, as lenient as Envoy's own reading of YAML and JSON.

Each function takes what a text says and returns what the field takes, or raises ValueError with the reason.  What Envoy 1.40
takes was tried out: numbers in quotes, with a fraction of zero or an exponent, hexadecimal ones; booleans as quoted words; enum
names in any case, and their numbers.  It never takes a number for a string: an unquoted `123` in YAML is an error there, too.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from functools import cache

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from dataplane.compile.tree import Content

Convert = Callable[[Content], object]

_DECIMAL = re.compile(r"[+-]?[0-9]+", re.ASCII)
_HEXADECIMAL = re.compile(r"[+-]?0[xX][0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_NOT_FINITE = {"inf": math.inf, "infinity": math.inf, "-inf": -math.inf, "-infinity": -math.inf, "nan": math.nan}
_WORDS = {"true": True, "t": True, "yes": True, "y": True, "1": True} | {
    "false": False,
    "f": False,
    "no": False,
    "n": False,
    "0": False,
}


class UnknownEnumName(ValueError):
    """An enum has no such value: Envoy treats it like an unknown field, so that it may be dropped where those may."""


def kind_of(content: Content) -> str:
    """What a value is, for error messages."""
    if content is None:
        return "null"
    if isinstance(content, bool):
        return f"the boolean {str(content).lower()}"
    if isinstance(content, (int, float)):
        return f"the number {content}"
    if isinstance(content, str):
        return f"the string {content[:40]!r}"
    return "a list" if isinstance(content, list) else "an object"


def integer(low: int, high: int) -> Convert:
    """The converter of an integer field that holds *low* to *high*."""

    def convert(content: Content) -> int:
        number = _integer(content)
        if not low <= number <= high:
            raise ValueError(f"{number} is out of range {low}..{high}")
        return number

    return convert


def _integer(content: Content) -> int:
    if isinstance(content, int) and not isinstance(content, bool):
        return content
    if isinstance(content, str):
        if _DECIMAL.fullmatch(content) and len(content) < 40:
            return int(content)
        if _HEXADECIMAL.fullmatch(content) and len(content) < 40:
            return int(content, 16)
        if _FLOAT.fullmatch(content):
            content = float(content)
    if isinstance(content, float):
        if not math.isfinite(content) or not content.is_integer():
            raise ValueError(f"expected an integer, got {content}")
        return int(content)
    raise ValueError(f"expected an integer, got {kind_of(content)}")


def floating(content: Content) -> float:
    if isinstance(content, (int, float)) and not isinstance(content, bool):
        return _float(content)
    if isinstance(content, str):
        if content.lower() in _NOT_FINITE:
            return _NOT_FINITE[content.lower()]
        if _FLOAT.fullmatch(content):
            return float(content)
        if _HEXADECIMAL.fullmatch(content):
            return _float(int(content, 16))
    raise ValueError(f"expected a number, got {kind_of(content)}")


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        raise ValueError("the number is too large") from None


def boolean(content: Content) -> bool:
    if isinstance(content, bool):
        return content
    if isinstance(content, str) and content.lower() in _WORDS:
        return _WORDS[content.lower()]
    raise ValueError(f"expected true or false, got {kind_of(content)}")


def string(content: Content) -> str:
    if isinstance(content, str):
        return content
    hint = "; put it into quotes" if isinstance(content, (bool, int, float)) else ""
    raise ValueError(f"expected a string, got {kind_of(content)}{hint}")


def octets(content: Content) -> bytes:
    """Base64, in either alphabet, with or without padding."""
    text = string(content).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"not base64: {error}") from None


def enum(descriptor: EnumDescriptor) -> Convert:
    """The converter of an enum field: a name in any case, or a number, be it known or not (constraints decide about that)."""
    by_name = {name.upper(): value.number for name, value in descriptor.values_by_name.items()}
    number = integer(-(2**31), 2**31 - 1)

    def convert(content: Content) -> object:
        if not isinstance(content, str):
            return number(content)
        if content.upper() in by_name:
            return by_name[content.upper()]
        if _DECIMAL.fullmatch(content):
            return number(content)
        raise UnknownEnumName(f"{content!r} is none of {', '.join(descriptor.values_by_name)}")

    return convert


_INT32 = integer(-(2**31), 2**31 - 1)
_INT64 = integer(-(2**63), 2**63 - 1)
_UINT32 = integer(0, 2**32 - 1)
_UINT64 = integer(0, 2**64 - 1)

_BY_TYPE: dict[int, Convert] = {
    FieldDescriptor.TYPE_DOUBLE: floating,
    FieldDescriptor.TYPE_FLOAT: floating,
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_SINT32: _INT32,
    FieldDescriptor.TYPE_SFIXED32: _INT32,
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_SINT64: _INT64,
    FieldDescriptor.TYPE_SFIXED64: _INT64,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_FIXED32: _UINT32,
    FieldDescriptor.TYPE_UINT64: _UINT64,
    FieldDescriptor.TYPE_FIXED64: _UINT64,
    FieldDescriptor.TYPE_BOOL: boolean,
    FieldDescriptor.TYPE_STRING: string,
    FieldDescriptor.TYPE_BYTES: octets,
}


def converter(field: FieldDescriptor) -> Convert:
    """The converter for one value of a scalar or enum field."""
    if field.type == FieldDescriptor.TYPE_ENUM:
        return _enum_converter(field.enum_type)
    return _BY_TYPE[field.type]


@cache
def _enum_converter(descriptor: EnumDescriptor) -> Convert:
    return enum(descriptor)
