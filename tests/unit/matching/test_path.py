"""What routes ask of paths."""

from __future__ import annotations

import pytest

from dataplane.matching import path
from dataplane.matching.path import PathSpecifier
from dataplane.matching.regex import Regex


@pytest.mark.parametrize(
    ("specifier", "matching", "others"),
    [
        (path.exact(b"/a"), [b"/a"], [b"/a/", b"/A", b"/ab"]),
        (path.exact(b"/a", ignore_case=True), [b"/a", b"/A"], [b"/ab"]),
        (path.exact(b"/1", ignore_case=True), [b"/1"], [b"/12"]),
        (path.prefix(b"/a"), [b"/a", b"/ab", b"/a/b"], [b"/A", b"/"]),
        (path.prefix(b"/a", ignore_case=True), [b"/Ab", b"/a"], [b"/b"]),
        (path.prefix(b"/", ignore_case=True), [b"/Ab", b"/"], [b"x"]),
        (path.separated_prefix(b"/a"), [b"/a", b"/a/", b"/a/b"], [b"/ab", b"/A/b"]),
        (path.separated_prefix(b"/a", ignore_case=True), [b"/A", b"/a/B"], [b"/ab"]),
        (path.regex(Regex("/a[0-9]")), [b"/a1"], [b"/a", b"/a12", b"/b1"]),
        (path.regex(Regex("(?s).*x")), [b"x", b"/a/x"], [b"", b"/a"]),
    ],
)
def test_specifier(specifier: PathSpecifier, matching: list[bytes], others: list[bytes]) -> None:
    predicate = specifier.predicate()
    for each in matching:
        assert predicate(each)
        assert each == specifier.literal if specifier.whole else each.startswith(specifier.literal)
    for each in others:
        assert not predicate(each)


def test_literals_are_as_long_as_they_can_be() -> None:
    assert path.prefix(b"/", ignore_case=True).literal == b"/"
    assert path.prefix(b"/a", ignore_case=True).literal == b""
    assert path.regex(Regex("/users/[0-9]+")).literal == b"/users/"


def test_a_prefix_rewrite_replaces_the_prefix_and_otherwise_the_whole_path() -> None:
    assert path.prefix(b"/ab").matched_length == 3
    assert path.separated_prefix(b"/ab").matched_length == 3
    assert path.prefix(b"/ab", ignore_case=True).matched_length == 3
    assert path.exact(b"/ab").matched_length is None
    assert path.regex(Regex("/ab")).matched_length is None


@pytest.mark.parametrize(
    ("target", "expected"), [(b"/a?b#c", b"/a"), (b"/a#b?c", b"/a"), (b"/a", b"/a"), (b"?x", b""), (b"", b"")]
)
def test_without_query(target: bytes, expected: bytes) -> None:
    assert path.without_query(target) == expected
