"""The types of protobuf's descriptors, for annotations: its stubs know two implementations of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf import descriptor

if TYPE_CHECKING:
    from google._upb import _message

    Field = descriptor.FieldDescriptor | _message.FieldDescriptor
    MessageType = descriptor.Descriptor | _message.Descriptor
else:
    Field = descriptor.FieldDescriptor
    MessageType = descriptor.Descriptor
