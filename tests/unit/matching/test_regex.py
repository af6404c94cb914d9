"""Regular expressions: whole-text match, bounds, replacement as RE2 does it."""

from __future__ import annotations

import pytest

from dataplane.matching.regex import BadRegex, Regex, match_together


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("/api/v[0-9]+", b"/api/v12", True),
        ("/api/v[0-9]+", b"/api/v12/x", False),
        ("/api/v[0-9]+", b"x/api/v12", False),
        ("(?i)/API", b"/api", True),
        (".*", b"", True),
        (".", "é".encode(), True),
        ("a.b", b"a\nb", False),
    ],
)
def test_the_whole_text_must_match(pattern: str, text: bytes, expected: bool) -> None:
    assert bool(Regex(pattern).matches(text)) is expected


def test_a_bad_pattern_says_why() -> None:
    with pytest.raises(BadRegex, match=r"missing \): \("):
        Regex("(")


def test_matching_texts_lie_between_the_bounds() -> None:
    regex = Regex("/users/[0-9]+/item")
    assert regex.high is not None
    assert regex.low <= b"/users/42/item" <= regex.high
    assert regex.literal_prefix == b"/users/"


def test_a_pattern_without_bounds_has_no_literal_prefix() -> None:
    regex = Regex("(?s).*")
    assert regex.literal_prefix == b""
    assert regex.matches(b"anything")


@pytest.mark.parametrize(
    ("pattern", "substitution", "text", "expected"),
    [
        ("^/service/([^/]+)(/.*)$", r"\2/instance/\1", b"/service/foo/v1/api", b"/v1/api/instance/foo"),
        ("one", "two", b"/xxx/one/yyy/one/zzz", b"/xxx/two/yyy/two/zzz"),
        ("^(.*?)one(.*)$", r"\1two\2", b"/xxx/one/yyy/one/zzz", b"/xxx/two/yyy/one/zzz"),
        ("(?i)/xxx/", "/yyy/", b"/aaa/XxX/bbb", b"/aaa/yyy/bbb"),
        ("a*", "x", b"baac", b"xbxcx"),
        ("b*", "-", b"abc", b"-a-c-"),
        ("x", r"\\", b"axb", b"a\\b"),
        ("(a)|(b)", r"[\1\2]", b"ab", b"[a][b]"),
        ("/", "", b"/a/b", b"ab"),
        ("z", "y", b"", b""),
    ],
)
def test_replacement(pattern: str, substitution: str, text: bytes, expected: bytes) -> None:
    assert Regex(pattern).replacer(substitution)(text) == expected


def test_a_group_that_the_pattern_lacks_replaces_nothing() -> None:
    assert Regex("(a)").replacer(r"\2")(b"aaa") == b"aaa"


def test_matching_together_gives_the_indices_of_all_that_match() -> None:
    together = match_together([Regex("/a.*"), Regex("/b.*"), Regex("/ab")])
    assert together is not None
    assert sorted(together(b"/ab") or ()) == [0, 2]
    assert not together(b"/c")


def test_patterns_too_large_to_be_matched_together_are_matched_one_by_one() -> None:
    large = Regex("(abcdefghij|klmnopqrst){900}")
    assert match_together([large]) is None
    assert large.matches(b"abcdefghij" * 900)
    assert not large.matches(b"abcdefghij" * 899)
