"""JSON text → tree, as lenient as Envoy's reading of it: trailing commas, single quotes, names without quotes.

Not the standard library's reader: that one is strict and forgets where things stood.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable

from dataplane.compile.tree import Content, SyntaxProblem, Value

MAX_DEPTH = 100

_SPACE = re.compile(r"[ \t\r\n]*")
_WORD = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?(?![0-9A-Za-z.])", re.ASCII)
_PLAIN = {'"': re.compile(r'[^"\\]*'), "'": re.compile(r"[^'\\]*")}
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "'": "'", "\\": "\\", "/": "/"}
_HEX4 = re.compile(r"[0-9a-fA-F]{4}", re.ASCII)
_WORDS: dict[str, Content] = {"true": True, "false": False, "null": None}


def parse_json(text: str) -> Value:
    """The one value that *text* holds.  Raises SyntaxProblem."""
    scanner = _Scanner(text)
    value = scanner.value(0)
    if scanner.peek():
        raise scanner.problem("text after the end of the JSON value")
    return value


class _Scanner:
    """Recursive descent over the text.  `peek` skips space and names the next character, empty at the end."""

    __slots__ = ("_at", "_line_starts", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def problem(self, reason: str) -> SyntaxProblem:
        line, column = self._place(self._at)
        return SyntaxProblem(f"not JSON: {reason}", line, column)

    def peek(self) -> str:
        match = _SPACE.match(self._text, self._at)
        assert match is not None
        self._at = match.end()
        return self._text[self._at : self._at + 1]

    def value(self, depth: int) -> Value:
        if depth > MAX_DEPTH:
            raise self.problem("nested too deeply")
        first = self.peek()
        line, column = self._place(self._at)
        return Value(self._content(first, depth), line, column)

    def _place(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def _content(self, first: str, depth: int) -> Content:
        if first == "{":
            return self._object(depth + 1)
        if first == "[":
            return self._list(depth + 1)
        if first in ('"', "'") and first:
            return self._string(first)
        if match := _NUMBER.match(self._text, self._at):
            self._at = match.end()
            return float(match.group()) if match.group(1) or match.group(2) else self._integer(match.group())
        if (match := _WORD.match(self._text, self._at)) and match.group() in _WORDS:
            self._at = match.end()
            return _WORDS[match.group()]
        raise self.problem(f"unexpected {first!r}" if first else "unexpected end")

    def _integer(self, digits: str) -> Content:
        # Integers beyond a double's range mean nothing to any field, and converting long ones is slow on purpose.
        return int(digits) if len(digits) < 400 else float(digits)

    def _object(self, depth: int) -> dict[str, Value]:
        content: dict[str, Value] = {}

        def member() -> None:
            key = self._key()
            if self.peek() != ":":
                raise self.problem("expected ':'")
            self._at += 1
            content[key] = self.value(depth)

        self._separated("}", member)
        return content

    def _list(self, depth: int) -> list[Value]:
        items: list[Value] = []
        self._separated("]", lambda: items.append(self.value(depth)))
        return items

    def _separated(self, close: str, read_one: Callable[[], None]) -> None:
        """What stands between brackets; a comma may stand before the closing one."""
        self._at += 1
        while self.peek() != close:
            read_one()
            if self.peek() == ",":
                self._at += 1
            elif self.peek() != close:
                raise self.problem(f"expected ',' or {close!r}")
        self._at += 1

    def _key(self) -> str:
        first = self.peek()
        if first in _PLAIN:
            return self._string(first)
        match = _WORD.match(self._text, self._at)
        if match is None:
            raise self.problem("expected a name")
        self._at = match.end()
        return match.group()

    def _string(self, quote: str) -> str:
        self._at += 1
        parts: list[str] = []
        while True:
            match = _PLAIN[quote].match(self._text, self._at)
            assert match is not None
            parts.append(match.group())
            self._at = match.end()
            following = self._text[self._at : self._at + 1]
            if not following:
                raise self.problem("the string does not end")
            self._at += 1
            if following == quote:
                return "".join(parts)
            parts.append(self._escape())

    def _escape(self) -> str:
        letter = self._text[self._at : self._at + 1]
        if letter in _ESCAPES and letter:
            self._at += 1
            return _ESCAPES[letter]
        if letter != "u":
            raise self.problem(f"unknown escape {letter!r}")
        unit = self._unit()
        if 0xD800 <= unit < 0xDC00 and self._text.startswith("\\u", self._at):
            self._at += 1
            low = self._unit()
            if 0xDC00 <= low < 0xE000:
                return chr(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
            raise self.problem("half of a surrogate pair")
        if 0xD800 <= unit < 0xE000:
            raise self.problem("half of a surrogate pair")
        return chr(unit)

    def _unit(self) -> int:
        """The four digits behind `u`."""
        match = _HEX4.match(self._text, self._at + 1)
        if match is None:
            raise self.problem("expected four hexadecimal digits")
        self._at = match.end()
        return int(match.group(), 16)
