"""What a YAML or JSON text says, with the place of every value.

The tree stands between the texts (bootstrap/yaml_text.py, bootstrap/json_text.py) and the messages (from_tree.py): a message does
not know where it came from, so the tree is kept and asked for the place once something is wrong (`place_of`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Union

from dataplane.base.errors import ConfigError, FieldPath

Content = Union[None, bool, int, float, str, "list[Value]", "dict[str, Value]"]


class Value:
    """One value of a text.  line, column: from 1; 0 where the value comes from no text (a Struct on the wire).

    entries: for a mapping, content by key; the last of equal keys has won, as in Envoy.
    """

    __slots__ = ("column", "content", "line")

    def __init__(self, content: Content, line: int = 0, column: int = 0) -> None:
        self.content = content
        self.line = line
        self.column = column

    def __repr__(self) -> str:
        return f"Value({self.content!r}, line {self.line}, column {self.column})"


class SyntaxProblem(ConfigError):
    """A text is not YAML or JSON at all: there is no tree to look the place up in.  line, column: from 1."""

    def __init__(self, reason: str, line: int, column: int) -> None:
        super().__init__(FieldPath(), reason)
        self.line = line
        self.column = column


def value_of(data: object) -> Value:
    """The tree of plain Python data: what a decoded Struct holds."""
    if isinstance(data, Mapping):
        return Value({str(key): value_of(item) for key, item in data.items()})
    if isinstance(data, (list, tuple)):
        return Value([value_of(item) for item in data])
    if data is None or isinstance(data, (bool, int, float, str)):
        return Value(data)
    raise TypeError(f"not plain data: {data!r}")


def plain(value: Value) -> object:
    """The other direction: dicts, lists and scalars without their places."""
    content = value.content
    if isinstance(content, dict):
        return {key: plain(item) for key, item in content.items()}
    if isinstance(content, list):
        return [plain(item) for item in content]
    return content


def place_of(roots: Sequence[Value], steps: Iterable[str | int]) -> tuple[int, Value] | None:
    """The deepest value on the way that *steps* (FieldPath.steps) describes, and the number of the root it belongs to.

    roots: texts that were merged in this order (a file, then its override): lists continue one another, a later scalar wins.
    """
    here = list(enumerate(roots))
    found = here[-1] if here else None
    for step in steps:
        here = _below(here, step)
        if not here:
            return found
        found = here[-1]
    return found


def _below(places: list[tuple[int, Value]], step: str | int) -> list[tuple[int, Value]]:
    if isinstance(step, str):
        return [(root, child) for root, value in places if (child := _member(value, step)) is not None]
    for root, value in places:
        # A single value where a list is due counts as a list of one.
        items = value.content if isinstance(value.content, list) else [value]
        if step < len(items):
            return [(root, items[step])]
        step -= len(items)
    return []


def _member(value: Value, name: str) -> Value | None:
    content = value.content
    if not isinstance(content, dict):
        return None
    found = content.get(name) or content.get(camel_case(name))
    if found is None and "@type" in content and "value" in content:
        # The field of a message that was written as a TypedStruct stands below its `value`.
        return _member(content["value"], name)
    return found


def camel_case(name: str) -> str:
    """`connect_timeout` → `connectTimeout`: the JSON name of a field."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)
