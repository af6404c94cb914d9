"""The table of what this version supports: which fields of which messages, and which extensions.

Every compile module says, beside the code that reads a message, which of its fields it honours:

    supports(Cluster, "name", "connect_timeout", "eds_cluster_config", lb_policy=("ROUND_ROBIN", "LEAST_REQUEST"))
    ignores(Cluster, "alt_stat_name", because="names statistics only; Envoy's own behaviour does not depend on it")

- Declare a field only where its value really has its effect.  A keyword declares an enum field with the values that work.
- `ignores` is for what has no effect in Envoy either, or knowingly none here; the reason is printed in docs/support.md.
- A message that no module declares has no supported field.  What a configuration sets outside the table is refused
  with its place (`support_walk.check_support`), never skipped.
- The type of an extension (the content of an `Any`) is supported once its message is declared; a message without any field
  that matters is declared bare: `supports(RawBuffer)`.
- Several modules may declare parts of one message.  Names are checked against the descriptor when the module is imported.

Here: the table.  Not here: the walk over a message (support_walk.py), proto validation rules (constraints.py), the document
that is made from the table (tools/support_matrix.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from google.protobuf.message import Message


@dataclass(slots=True)
class MessageSupport:
    """What is known of one message type.  Filled while modules are imported, only read afterwards.

    values: for an enum field that is not supported whole, the names that are.  ignored: field → reason.
    """

    full_name: str
    supported: set[str] = field(default_factory=set)
    values: dict[str, frozenset[str]] = field(default_factory=dict)
    ignored: dict[str, str] = field(default_factory=dict)


_TABLE: dict[str, MessageSupport] = {}

declarations: list[str] = []
"""The name of the message of each declaration, in their order: a plan made of the table is out of date once this has grown."""


def supports(message: type[Message], *fields: str, **values: Collection[str]) -> None:
    """Declare *fields* of *message* as honoured.  values: enum fields with the names of the values that are honoured."""
    entry = _entry(message, (*fields, *values))
    for name in (*fields, *values):
        if name in entry.ignored:
            raise ValueError(f"{entry.full_name}.{name} is declared both supported and ignored")
    for name, allowed in values.items():
        _check_enum_values(message, name, allowed)
        entry.values[name] = entry.values.get(name, frozenset()) | frozenset(allowed)
    entry.supported.update(fields, values)


def ignores(message: type[Message], *fields: str, because: str) -> None:
    """Declare that *fields* may be set and have no effect, with the reason that the support matrix prints."""
    entry = _entry(message, fields)
    for name in fields:
        if name in entry.supported:
            raise ValueError(f"{entry.full_name}.{name} is declared both supported and ignored")
        entry.ignored[name] = because


def support_of(full_name: str) -> MessageSupport | None:
    """The entry of a message type, or None where no imported module has declared it."""
    return _TABLE.get(full_name)


def declared() -> Iterator[MessageSupport]:
    """Every entry, by name: for the support matrix."""
    return (entry for _, entry in sorted(_TABLE.items()))


def _entry(message: type[Message], fields: Iterable[str]) -> MessageSupport:
    descriptor = message.DESCRIPTOR
    for name in fields:
        if name not in descriptor.fields_by_name:
            raise ValueError(f"{descriptor.full_name} has no field {name!r}")
    declarations.append(descriptor.full_name)
    return _TABLE.setdefault(descriptor.full_name, MessageSupport(descriptor.full_name))


def _check_enum_values(message: type[Message], name: str, allowed: Collection[str]) -> None:
    enum = message.DESCRIPTOR.fields_by_name[name].enum_type
    if enum is None:
        raise ValueError(f"{message.DESCRIPTOR.full_name}.{name} is not an enum field")
    for value in allowed:
        if value not in enum.values_by_name:
            raise ValueError(f"{enum.full_name} has no value {value!r}")
