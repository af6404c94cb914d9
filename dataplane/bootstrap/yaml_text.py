"""YAML text → tree, with the scalars of yaml-cpp, which Envoy reads YAML with.

It is YAML 1.2's grammar with some of 1.1's booleans: `n`, `off` and `yes` are booleans, `012` is octal, `0x1F` is hexadecimal, `1_000`,
`0o17` and `12:30:45` are strings; so is every number that does not fit 32 bits or has a fraction (a number field takes it back from
the string, without the loss of a double).  A quoted scalar is a string.  There are no merge keys; a key tagged `!ignore` is
left out with all below it.  The last of equal keys wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import yaml
from yaml import AliasEvent, CSafeLoader, DocumentStartEvent, ScalarEvent, SequenceStartEvent, StreamEndEvent

from dataplane.compile.tree import SyntaxProblem, Value

# An alias is written once and counts as often as it is used: without a limit, a few lines could stand for more than all memory.
MAX_VALUES = 5_000_000
MAX_DEPTH = 100

_IGNORED = "!ignore"

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset(form for word in ("y", "yes", "true", "on") for form in (word, word.capitalize(), word.upper()))
_FALSE = frozenset(form for word in ("n", "no", "false", "off") for form in (word, word.capitalize(), word.upper()))
_BOOLEANS = dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False)
_INTEGER = re.compile(r"([+-]?)(?:0[xX]([0-9a-fA-F]+)|0([0-7]*)|([1-9][0-9]*))", re.ASCII)
# libyaml takes no plain scalar with a colon in front inside of brackets; yaml-cpp does: `{address: ::1, port_value: 80}`.
_FLOW_IPV6 = re.compile(r"(?:(?<=[\[{,:] )|(?<=\[))::[0-9A-Fa-f:.]*(?= ?[,}\]])")
_INT32 = range(-(2**31), 2**31)


def parse_yaml(text: str) -> Value:
    """The first document of *text*, as Envoy reads a file; what follows it is not even looked at."""
    for document in parse_yaml_documents(text):
        return document
    return Value(None, 1, 1)


def parse_yaml_documents(text: str) -> Iterator[Value]:
    """Every document of *text*.  Raises SyntaxProblem where the text is not YAML."""
    read = 0
    try:
        for document in _documents(text):
            yield document
            read += 1
    except SyntaxProblem:
        quoted = _FLOW_IPV6.sub(r'"\g<0>"', text)
        if quoted == text:
            raise
        yield from islice(_documents(quoted), read, None)


def _documents(text: str) -> Iterator[Value]:
    try:
        # Events of the C parser, not its nodes: those live long enough to cost four times as much in garbage collection.
        loader = CSafeLoader(text)
        while not isinstance(event := loader.get_event(), StreamEndEvent):
            if isinstance(event, DocumentStartEvent):
                yield _Reader(loader).read(loader.get_event(), 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ", ".join(filter(None, (error.context, error.problem)))
        raise SyntaxProblem(f"not YAML: {what}", mark.line + 1 if mark else 1, mark.column + 1 if mark else 1) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SyntaxProblem(f"not YAML: {error.reason}", line, 1) from None
    except UnicodeEncodeError as error:
        raise SyntaxProblem("not YAML: not valid Unicode", text.count("\n", 0, error.start) + 1, 1) from None


class _Reader:
    """Events of one document → values.  An aliased value is shared; it counts with its full size each time."""

    __slots__ = ("_anchors", "_next", "_size")

    def __init__(self, loader: Any) -> None:
        self._next = loader.get_event
        self._anchors: dict[str, tuple[Value, int]] = {}
        self._size = 0

    def read(self, event: Any, depth: int) -> Value:
        """The value that begins with *event*."""
        kind = type(event)
        before = self._size
        mark = event.start_mark
        if kind is AliasEvent:
            value, size = self._aliased(event)
            self._count(size, mark)
            return value
        self._count(1, mark)
        value = Value(None, mark.line + 1, mark.column + 1)
        if kind is ScalarEvent:
            value.content = _scalar(event)
        elif depth >= MAX_DEPTH:
            raise SyntaxProblem("nested too deeply", mark.line + 1, mark.column + 1)
        else:
            value.content = self._list(depth + 1) if kind is SequenceStartEvent else self._mapping(depth + 1)
        if event.anchor is not None:
            self._anchors[event.anchor] = value, self._size - before
        return value

    def _aliased(self, event: Any) -> tuple[Value, int]:
        found = self._anchors.get(event.anchor)
        if found is None:
            raise SyntaxProblem(
                f"no anchor {event.anchor!r} is complete here", event.start_mark.line + 1, event.start_mark.column + 1
            )
        return found

    def _list(self, depth: int) -> list[Value]:
        items = []
        while type(event := self._next()) is not yaml.SequenceEndEvent:
            items.append(self.read(event, depth))
        return items

    def _mapping(self, depth: int) -> dict[str, Value]:
        content: dict[str, Value] = {}
        while type(event := self._next()) is not yaml.MappingEndEvent:
            self._member(event, content, depth)
        return content

    def _member(self, key: Any, content: dict[str, Value], depth: int) -> None:
        mark = key.start_mark
        if type(key) is not ScalarEvent:
            raise SyntaxProblem("a key must be a scalar", mark.line + 1, mark.column + 1)
        event = self._next()
        value = self.read(event, depth)
        if key.tag == _IGNORED:
            return
        if type(event) is not ScalarEvent:
            # A person looks for the key, not for where its value begins on some other line.
            value = Value(value.content, mark.line + 1, mark.column + 1)
        content[key.value] = value

    def _count(self, values: int, mark: Any) -> None:
        self._size += values
        if self._size > MAX_VALUES:
            raise SyntaxProblem(f"more than {MAX_VALUES} values", mark.line + 1, mark.column + 1)


def _scalar(event: Any) -> bool | int | str | None:
    text: str = event.value
    if event.tag == "!":
        return text
    if event.tag is None:
        if not event.implicit[0]:
            return text  # quoted, or a block
        if text in _NULLS:
            return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    match = _INTEGER.fullmatch(text) if len(text) <= 12 else None
    if match is None:
        return text
    sign, hexadecimal, octal, decimal = match.groups()
    number = int(hexadecimal, 16) if hexadecimal else int(octal or "0", 8) if decimal is None else int(decimal)
    number = -number if sign == "-" else number
    return number if number in _INT32 else text
