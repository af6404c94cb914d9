"""Matchers as they are written → predicates."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.matcher import compile_header_matcher, compile_query_matcher, compile_string_matcher
from dataplane.semantics.header_map import RequestHeaders
from tests.support.compiling import message

AT = FieldPath("Test")


def header_matches(fields: dict[str, Any], *values: bytes) -> bool:
    made = message("envoy.config.route.v3.HeaderMatcher", {"name": "X", **fields})
    headers = RequestHeaders(b"GET", b"/", b"h", fields=[(b"x", value) for value in values])
    return compile_header_matcher(made, AT)(headers)


@pytest.mark.parametrize(
    ("fields", "value", "expected"),
    [
        ({"exact_match": "a"}, b"a", True),
        ({"exact_match": ""}, b"anything", True),
        ({"string_match": {"exact": ""}}, b"anything", False),
        ({"prefix_match": "a"}, b"ab", True),
        ({"suffix_match": "b"}, b"ab", True),
        ({"contains_match": "b"}, b"abc", True),
        ({"safe_regex_match": {"regex": "a.c"}}, b"abc", True),
        ({"safe_regex_match": {"regex": "a.c"}}, b"abcd", False),
        ({"range_match": {"start": 1, "end": 3}}, b"2", True),
        ({"range_match": {"start": 1, "end": 3}}, b"3", False),
        ({"string_match": {"contains": "B", "ignore_case": True}}, b"abc", True),
        ({"present_match": True}, b"", True),
        ({"present_match": False}, b"", False),
        ({}, b"", True),
        ({"exact_match": "a", "invert_match": True}, b"b", True),
    ],
)
def test_header_matchers(fields: dict[str, Any], value: bytes, expected: bool) -> None:
    assert header_matches(fields, value) is expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"present_match": False}, True),
        ({"exact_match": ""}, False),
        ({"exact_match": "a", "invert_match": True}, False),
        ({"exact_match": "a", "invert_match": True, "treat_missing_header_as_empty": True}, True),
        ({"present_match": False, "treat_missing_header_as_empty": True}, False),
    ],
)
def test_matchers_of_a_header_that_is_missing(fields: dict[str, Any], expected: bool) -> None:
    assert header_matches(fields) is expected


@pytest.mark.parametrize(
    ("fields", "query", "expected"),
    [
        ({}, {b"a": b""}, True),
        ({}, {}, False),
        ({"present_match": False}, {}, True),
        ({"present_match": False}, {b"a": b"1"}, False),
        ({"string_match": {"prefix": "1"}}, {b"a": b"12"}, True),
        ({"string_match": {"prefix": "1"}}, {}, False),
    ],
)
def test_query_matchers(fields: dict[str, Any], query: dict[bytes, bytes], expected: bool) -> None:
    made = message("envoy.config.route.v3.QueryParameterMatcher", {"name": "a", **fields})
    assert compile_query_matcher(made, AT)(query) is expected


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "Test.match_pattern: is required"),
        ({"custom": {"name": "x"}}, "Test.custom: not supported"),
        ({"safe_regex": {"regex": "a"}, "ignore_case": True}, "Test.ignore_case: ignore_case has no effect for safe_regex."),
        ({"safe_regex": {"regex": "("}}, "Test.safe_regex.regex: missing ): ("),
        (
            {"safe_regex": {"regex": "a+b", "google_re2": {"max_program_size": 1}}},
            "Test.safe_regex.regex: regex 'a+b' RE2 program size of 7 > max program size of 1.",
        ),
    ],
)
def test_bad_string_matchers(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compile_string_matcher(message("envoy.type.matcher.v3.StringMatcher", fields), AT)
    assert str(caught.value) == text
