"""Whether two messages mean the same, whatever order their maps were serialized in.

Control planes serialize maps in any order, a message within an Any included, so equal meaning shows neither in the bytes nor in the digest.
Here: that comparison, made only where bytes of one length differ.  Not here: what follows from it (listener,
server.resources).
Envoy: MessageUtil::hash, which unpacks every Any.
"""

from __future__ import annotations

from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message

from dataplane.compile.message_types import full_name_of, message_class


class Meaning:
    """Of one message.  Equal to another of the same type that means the same."""

    __slots__ = ("_canonical", "_serialized", "_type")

    def __init__(self, kind: type[Message], serialized: bytes) -> None:
        self._type = kind
        self._serialized = serialized
        self._canonical: bytes | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Meaning) or self._type is not other._type:
            return False
        if self._serialized == other._serialized:
            return True
        return len(self._serialized) == len(other._serialized) and self._in_order() == other._in_order()

    def __hash__(self) -> int:
        """The order of maps changes no length."""
        return hash(len(self._serialized))

    def _in_order(self) -> bytes:
        if self._canonical is None:
            message = self._type.FromString(self._serialized)
            _put_in_order(message)
            self._canonical = message.SerializeToString(deterministic=True)
        return self._canonical

    def __repr__(self) -> str:
        return f"<Meaning of {self._type.DESCRIPTOR.name}, {len(self._serialized)} bytes>"


def is_reordered(type_url: str, before: bytes, after: bytes) -> bool:
    """Whether other bytes of a resource mean the same.  Hosts, of which there may be many, are compared one by one where they live."""
    kind = message_class(full_name_of(type_url))
    if kind is None or kind is ClusterLoadAssignment or before == after:
        return False
    return Meaning(kind, before) == Meaning(kind, after)


def _put_in_order(message: Message) -> None:
    """Serialize anew what is packed inside of *message*."""
    if isinstance(message, AnyMessage):
        _repack(message)
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                for each in value.values():
                    _put_in_order(each)
        elif isinstance(value, Message):
            _put_in_order(value)
        else:
            for each in value:
                _put_in_order(each)


def _repack(packed: AnyMessage) -> None:
    """What nobody can read stays as it is."""
    found = message_class(full_name_of(packed.type_url))
    if found is None:
        return
    try:
        inner = found.FromString(packed.value)
    except DecodeError:
        return
    _put_in_order(inner)
    packed.value = inner.SerializeToString(deterministic=True)
