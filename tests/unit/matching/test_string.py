"""Predicates on one string."""

from __future__ import annotations

import pytest

from dataplane.matching import string
from dataplane.matching.regex import Regex
from dataplane.matching.string import StringPredicate


@pytest.mark.parametrize(
    ("predicate", "matching", "other"),
    [
        (string.exact(b"Abc"), b"Abc", b"abc"),
        (string.exact(b"Abc", ignore_case=True), b"aBC", b"ab"),
        (string.prefix(b"Ab"), b"Abc", b"abc"),
        (string.prefix(b"Ab", ignore_case=True), b"aBx", b"xab"),
        (string.suffix(b"Bc"), b"ABc", b"abc"),
        (string.suffix(b"Bc", ignore_case=True), b"xbC", b"bcx"),
        (string.contains(b"B"), b"aBc", b"abc"),
        (string.contains(b"B", ignore_case=True), b"abc", b"ac"),
        (string.regex(Regex("a+")), b"aaa", b"aab"),
        (string.any_of([string.exact(b"a"), string.exact(b"b")]), b"b", b"c"),
        (string.any_of([string.exact(b"a")]), b"a", b"b"),
    ],
)
def test_predicate(predicate: StringPredicate, matching: bytes, other: bytes) -> None:
    assert predicate(matching)
    assert not predicate(other)
