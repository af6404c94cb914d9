"""Regular expressions in RE2's syntax: time linear in the text, whoever wrote the pattern.

Here: full match, replacement, and the range of texts that can match at all.  Not here: case folding and the other kinds of
string match (matching.string).
Envoy: type.matcher.v3.{RegexMatcher, RegexMatchAndSubstitute}; the engine is the same library, so the syntax and the texts of errors are too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import re2

# Enough to tell apart the prefixes of real routes; longer bounds only cost memory.
_RANGE_LENGTH: Final = 64

# A set is matched by a DFA alone, and one whose program leaves too little of the library's 8 MiB for 20 states fails without a word:
# it matches nothing.  With 4 bytes per instruction and state this bound stays ten times below.
_MAX_SET_PROGRAM: Final = 10_000


class BadRegex(ValueError):
    """The pattern is not RE2 syntax.  The text is the library's."""


class Regex:
    """A compiled pattern.

    `matches(text)` is true (not None) when the *whole* text matches.  low, high: every text that matches is between them, both included.
    """

    __slots__ = ("_compiled", "high", "low", "matches", "pattern")

    def __init__(self, pattern: str) -> None:
        try:
            self._compiled = re2.compile(pattern, _quiet())
        except re2.error as error:
            raise BadRegex(_text_of(error)) from error
        self.pattern: Final = pattern
        # The match of a set is one call into the library (0.6 µs); `fullmatch` builds generators and spans (2.4 µs).
        self.matches: Callable[[bytes], object] = match_together([self]) or self._compiled.fullmatch
        self.low, self.high = self._range()

    @property
    def groups(self) -> int:
        """How many capturing groups the pattern has."""
        return int(self._compiled.groups)

    @property
    def program_size(self) -> int:
        """The library's measure of how complex the pattern is."""
        return int(self._compiled.programsize)

    @property
    def literal_prefix(self) -> bytes:
        """What every text that matches begins with."""
        low, high = self.low, self.high
        if high is None:
            return b""
        length = 0
        for one, other in zip(low, high, strict=False):
            if one != other:
                break
            length += 1
        return low[:length]

    def replacer(self, substitution: str) -> Callable[[bytes], bytes]:
        """A function that replaces every match in a text; `\\0` to `\\9` in *substitution* stand for groups, `\\\\` for a backslash.

        A substitution that names a group which the pattern lacks replaces nothing, as in Envoy.
        """
        parts = _parse_substitution(substitution.encode())
        if any(isinstance(part, int) and part > self.groups for part in parts):
            return _unchanged
        return _Replacer(self._compiled, parts)

    def _range(self) -> tuple[bytes, bytes | None]:
        try:
            low, high = self._compiled.possiblematchrange(_RANGE_LENGTH)
        except re2.error:  # the library finds no bound: every text may match
            return b"", None
        return low, high


def match_together(regexes: Sequence[Regex]) -> Callable[[bytes], Sequence[int] | None] | None:
    """One function for all of *regexes*: the indices of those that match a whole text, or None.

    None where they are too large to be matched at once.
    """
    if sum(regex.program_size for regex in regexes) > _MAX_SET_PROGRAM:
        return None
    together = re2.Set.FullMatchSet(_quiet())
    try:
        for regex in regexes:
            together.Add(regex.pattern)
        together.Compile()
    except re2.error:
        return None
    match: Callable[[bytes], Sequence[int] | None] = together.Match
    return match


class _Replacer:
    """RE2's GlobalReplace: an empty match that touches the match before it is passed over."""

    __slots__ = ("_compiled", "_parts")

    def __init__(self, compiled: re2._Regexp, parts: tuple[bytes | int, ...]) -> None:
        self._compiled = compiled
        self._parts = parts

    def __call__(self, text: bytes) -> bytes:
        out: list[bytes] = []
        position = 0
        last_end = -1
        while position <= len(text) and (match := self._compiled.search(text, position)) is not None:
            start, end = match.span()
            out.append(text[position:start])
            if start == end == last_end:
                out.append(text[start : start + 1])
                position = start + 1
                continue
            out += [part if isinstance(part, bytes) else (match.group(part) or b"") for part in self._parts]
            position = last_end = end
        out.append(text[position:])
        return b"".join(out)


def _parse_substitution(text: bytes) -> tuple[bytes | int, ...]:
    parts: list[bytes | int] = []
    for piece in re.findall(rb"\\[0-9]|\\\\|[^\\]+|\\", text):
        if len(piece) == 2 and piece[:1] == b"\\" and piece[1:].isdigit():
            parts.append(int(piece[1:]))
        else:
            parts.append(b"\\" if piece == b"\\\\" else piece)
    return tuple(parts)


def _unchanged(text: bytes) -> bytes:
    return text


def _quiet() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    return options


def _text_of(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
