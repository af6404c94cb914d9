"""The name inside a serialized resource, without decoding it.

Every xDS resource type has its name in field 1.  It is read here to find what is known of a resource before it is decoded, and to
name it when it cannot be decoded.  For a type that is built otherwise the answer is empty or useless, and costs only that.
Spec: Protocol Buffers, "Encoding".
"""

from __future__ import annotations

from typing import Final

_VARINT: Final = 0
_I64: Final = 1
_LEN: Final = 2
_I32: Final = 5
_FIELD_1_LEN: Final = 1 << 3 | _LEN


def body_name(body: bytes) -> str:
    """The string in field 1; empty if there is none or the bytes are no message."""
    try:
        if body and body[0] == _FIELD_1_LEN:  # where every common serializer puts it
            length, start = _read_varint(body, 1)
            return _text(body, start, length)
        return _search(body)
    except (IndexError, UnicodeDecodeError):
        return ""


def _search(body: bytes) -> str:
    position = 0
    while position < len(body):
        tag, position = _read_varint(body, position)
        kind = tag & 7
        if kind == _VARINT:
            _, position = _read_varint(body, position)
        elif kind == _I64:
            position += 8
        elif kind == _I32:
            position += 4
        elif kind == _LEN:
            length, position = _read_varint(body, position)
            if tag == _FIELD_1_LEN:
                return _text(body, position, length)
            position += length
        else:
            return ""
    return ""


def _text(body: bytes, start: int, length: int) -> str:
    if start + length > len(body):
        return ""
    return body[start : start + length].decode()


def _read_varint(body: bytes, position: int) -> tuple[int, int]:
    """Value and the position after it.  Raises IndexError at the end of the bytes."""
    value = shift = 0
    while True:
        byte = body[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
