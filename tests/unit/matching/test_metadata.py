"""Predicates on metadata values."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.metadata_matcher import compile_metadata_matcher, compile_value_matcher
from dataplane.matching.metadata import MISSING
from tests.support.compiling import message

VALUE = "envoy.type.matcher.v3.ValueMatcher"


@pytest.mark.parametrize(
    ("matcher", "holds", "fails"),
    [
        ({"null_match": {}}, [None], [MISSING, 0, False, ""]),
        ({"present_match": True}, [None, 0, "", [], {}], [MISSING]),
        ({"present_match": False}, [], [None, 0, MISSING]),
        ({"bool_match": True}, [True], [False, 1, "true", MISSING]),
        ({"bool_match": False}, [False], [True, 0, None]),
        ({"double_match": {"exact": 2}}, [2, 2.0], [True, "2", 3, MISSING]),
        ({"double_match": {"range": {"start": 1, "end": 3}}}, [1, 2.9], [0.9, 3, None, "2"]),
        ({"string_match": {"prefix": "a"}}, ["abc"], ["b", b"a", 1, MISSING]),
        ({"list_match": {"one_of": {"string_match": {"exact": "x"}}}}, [["y", "x"]], ["x", [], [1], {"x": 1}]),
        ({"or_match": {"value_matchers": [{"bool_match": True}, {"string_match": {"exact": "x"}}]}}, [True, "x"], [False, "y"]),
    ],
)
def test_values(matcher: dict[str, Any], holds: list[object], fails: list[object]) -> None:
    test = compile_value_matcher(message(VALUE, matcher), FieldPath())
    assert [value for value in holds if not test(value)] == []
    assert [value for value in fails if test(value)] == []


@pytest.mark.parametrize("matcher", [{}, {"double_match": {}}, {"list_match": {"one_of": {}}}])
def test_a_matcher_without_a_pattern_is_refused(matcher: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="match_pattern: is required"):
        compile_value_matcher(message(VALUE, matcher), FieldPath())


@pytest.mark.parametrize(
    ("metadata", "invert", "expected"),
    [
        ({"ns": {"a": {"b": "x"}}}, False, True),
        ({"ns": {"a": {"b": "y"}}}, False, False),
        ({"ns": {"a": {"b": "y"}}}, True, True),
        ({"ns": {"a": "b"}}, False, False),
        ({"other": {"a": {"b": "x"}}}, False, False),
        (None, False, False),
        (None, True, True),
    ],
)
def test_paths(metadata: dict[str, object] | None, invert: bool, expected: bool) -> None:
    content = {"filter": "ns", "path": [{"key": "a"}, {"key": "b"}], "value": {"string_match": {"exact": "x"}}, "invert": invert}
    test = compile_metadata_matcher(message("envoy.type.matcher.v3.MetadataMatcher", content), FieldPath())
    assert test(metadata) is expected
