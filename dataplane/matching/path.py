"""What a route asks of the path (without query and fragment).

A `PathSpecifier` says what every matching path begins with or equals, so that a table can find candidates by look-up, and what
else must hold.  Not here: the table (routing.table), protobuf (compile.matcher).
Envoy: config.route.v3.RouteMatch.path_specifier.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dataplane.matching import string
from dataplane.matching.regex import Regex
from dataplane.matching.string import StringPredicate


@dataclass(frozen=True, slots=True)
class PathSpecifier:
    """literal: every matching path begins with it, or equals it where `whole`.  test: what else must hold, None for nothing.

    matched_length: bytes of the path that a prefix rewrite replaces; None for all of them.
    regex: the pattern, where `test` is nothing but its match.
    """

    literal: bytes
    whole: bool = False
    test: StringPredicate | None = None
    matched_length: int | None = None
    regex: Regex | None = None

    def predicate(self) -> StringPredicate:
        """The whole rule as one function of the path."""
        if self.test is not None:
            return self.test
        return string.exact(self.literal) if self.whole else string.prefix(self.literal)


def exact(path: bytes, ignore_case: bool = False) -> PathSpecifier:
    if ignore_case and path.lower() != path.upper():
        return PathSpecifier(b"", test=string.exact(path, ignore_case=True))
    return PathSpecifier(path, whole=True)


def prefix(path: bytes, ignore_case: bool = False) -> PathSpecifier:
    if ignore_case and path.lower() != path.upper():
        return PathSpecifier(b"", test=string.prefix(path, ignore_case=True), matched_length=len(path))
    return PathSpecifier(path, matched_length=len(path))


def separated_prefix(path: bytes, ignore_case: bool = False) -> PathSpecifier:
    """`path_separated_prefix`: the path itself or anything below it."""
    below = path + b"/"
    if ignore_case:
        return PathSpecifier(b"", test=_either(string.exact(path, True), string.prefix(below, True)), matched_length=len(path))
    return PathSpecifier(path, test=_either(string.exact(path), string.prefix(below)), matched_length=len(path))


def regex(pattern: Regex) -> PathSpecifier:
    """The whole path matches.  Texts outside of the pattern's range are refused without asking the library."""
    matches, low, high = pattern.matches, pattern.low, pattern.high
    if high is None:
        return PathSpecifier(b"", test=matches, regex=pattern)

    def test(path: bytes) -> object:
        return low <= path <= high and matches(path)

    return PathSpecifier(pattern.literal_prefix, test=test, regex=pattern)


def without_query(path: bytes) -> bytes:
    """*path* up to its query or fragment."""
    return path.partition(b"?")[0].partition(b"#")[0]


def _either(one: Callable[[bytes], object], other: Callable[[bytes], object]) -> StringPredicate:
    return lambda path: one(path) or other(path)
