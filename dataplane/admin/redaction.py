"""Secrets never leave the process: fields that the API marks as sensitive are blanked in whatever is shown.

Here: messages, and the messages inside an Any or a map.  Not here: which fields are sensitive (the API says it, `udpa.annotations.sensitive`).
Envoy: MessageUtil::redact; strings become `[redacted]`, bytes the same in base64, numbers are left out.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from udpa.annotations.sensitive_pb2 import sensitive

from dataplane.compile.message_types import full_name_of, message_class

_BLANK: Final = "[redacted]"


def redact(message: Any, is_sensitive: bool = False) -> None:
    """Blank *message* in place.  is_sensitive: a field above said so, for everything below."""
    if isinstance(message, AnyMessage):
        _redact_packed(message, is_sensitive)
        return
    for field, value in message.ListFields():
        secret = is_sensitive or bool(field.GetOptions().Extensions[sensitive])
        if field.type != FieldDescriptor.TYPE_MESSAGE:
            if secret:
                _blank(message, field, value)
        elif field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].type == FieldDescriptor.TYPE_MESSAGE:
                for each in value.values():
                    redact(each, secret)
        elif field.is_repeated:
            for each in value:
                redact(each, secret)
        else:
            redact(value, secret)


def _redact_packed(packed: AnyMessage, is_sensitive: bool) -> None:
    found = message_class(full_name_of(packed.type_url))
    if found is None:
        return
    inner: Message = found()
    try:
        inner.ParseFromString(packed.value)
    except DecodeError:
        return
    before = inner.SerializeToString(deterministic=True)
    redact(inner, is_sensitive)
    after = inner.SerializeToString(deterministic=True)
    if after != before:
        packed.value = after


def _blank(message: Any, field: FieldDescriptor, value: Any) -> None:
    if field.type == FieldDescriptor.TYPE_STRING:
        blank: Any = _BLANK
    elif field.type == FieldDescriptor.TYPE_BYTES:
        blank = _BLANK.encode()
    else:
        message.ClearField(field.name)
        return
    if field.is_repeated:
        value[:] = [blank] * len(value)
    else:
        setattr(message, field.name, blank)
