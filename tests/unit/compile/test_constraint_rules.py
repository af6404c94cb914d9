"""Single rules of validate.rules: what breaks each, and in which words."""

from __future__ import annotations

import math

import pytest
from envoy.config.core.v3.base_pb2 import RequestMethod
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from validate.validate_pb2 import FieldRules, KnownRegex

from dataplane.compile.constraint_rules import (
    UnknownRule,
    bool_checks,
    bytes_checks,
    duration_checks,
    enum_checks,
    number_checks,
    string_checks,
)

METHOD = RequestMethod.DESCRIPTOR


def rules(**stated: dict[str, object]) -> FieldRules:
    return FieldRules(**stated)


@pytest.mark.parametrize(
    ("stated", "good", "bad", "reason"),
    [
        ({"gte": 9, "lte": 15}, [9, 15], [8, 16], "value must be inside range [9, 15]"),
        ({"gt": 0, "lt": 5}, [1, 4], [0, 5], "value must be inside range (0, 5)"),
        ({"gt": 0}, [1], [0], "value must be greater than 0"),
        ({"gte": 1}, [1], [0], "value must be greater than or equal to 1"),
        ({"lt": 5}, [4], [5], "value must be less than 5"),
        ({"lte": 5}, [5], [6], "value must be less than or equal to 5"),
        ({"gt": 10, "lt": 5}, [4, 11], [5, 10], "value must be inside range (10, 5)"),
        ({"const": 7}, [7], [8], "value must equal 7"),
        ({"in": [1, 2]}, [1, 2], [3], "value must be in list [1, 2]"),
        ({"not_in": [1, 2]}, [3], [1], "value must not be in list [1, 2]"),
        ({"gt": 3, "ignore_empty": True}, [0, 4], [2], "value must be greater than 3"),
    ],
)
def test_numbers(stated: dict[str, object], good: list[int], bad: list[int], reason: str) -> None:
    [check] = number_checks(rules(uint32=stated).uint32)
    assert [check(value) for value in good] == [None] * len(good)
    assert [check(value) for value in bad] == [reason] * len(bad)


def test_bounds_of_doubles_are_shown_without_a_needless_fraction() -> None:
    [check] = number_checks(rules(double={"gte": 0.0, "lte": 100.0}).double)
    assert check(150.0) == "value must be inside range [0, 100]"
    assert check(math.nan) is not None


def test_durations_and_timestamps_are_compared_by_both_of_their_parts() -> None:
    [longer] = duration_checks(rules(duration={"required": True, "gt": {"nanos": 1_000_000}}).duration)
    assert longer(Duration(seconds=1)) is None
    assert longer(Duration(nanos=1_000_000)) == "value must be greater than 0.001s"
    [fixed] = duration_checks(rules(duration={"in": [{"seconds": 1}, {"seconds": 2}]}).duration)
    assert fixed(Duration(seconds=3)) == "value must be in list [1s, 2s]"
    [later] = duration_checks(rules(timestamp={"gt": {"seconds": 5}}).timestamp)
    assert later(Timestamp(seconds=6)) is None
    assert later(Timestamp(seconds=5)) is not None


def test_booleans() -> None:
    [check] = bool_checks(rules(bool={"const": True}).bool)
    assert check(True) is None
    assert check(False) == "value must equal true"


def test_enums() -> None:
    defined, none_of = enum_checks(rules(enum={"defined_only": True, "not_in": [6]}).enum, METHOD)
    assert defined(1) is None
    assert defined(99) == "value must be one of the defined enum values"
    assert none_of(6) == "value must not be in list [CONNECT]"
    [one_of] = enum_checks(rules(enum={"in": [1, 99]}).enum, METHOD)
    assert one_of(2) == "value must be in list [GET, 99]"


@pytest.mark.parametrize(
    ("stated", "good", "bad", "reason"),
    [
        ({"min_len": 2}, ["ää"], ["ä", ""], "value length must be at least 2 characters"),
        ({"max_len": 2}, ["ää"], ["aaa"], "value length must be at most 2 characters"),
        ({"len": 2}, ["ää"], ["a"], "value length must be 2 characters"),
        ({"min_bytes": 2}, ["ä"], ["a"], "value length must be at least 2 bytes"),
        ({"max_bytes": 2}, ["ä"], ["ää"], "value length must be at most 2 bytes"),
        ({"len_bytes": 2}, ["ä"], ["a"], "value length must be 2 bytes"),
        ({"const": "a"}, ["a"], ["b"], "value must equal a"),
        ({"prefix": "a"}, ["ab"], ["ba"], "value does not have prefix 'a'"),
        ({"suffix": "a"}, ["ba"], ["ab"], "value does not have suffix 'a'"),
        ({"contains": "a"}, ["bab"], ["b"], "value does not contain 'a'"),
        ({"not_contains": "a"}, ["b"], ["bab"], "value contains 'a'"),
        ({"in": ["a", "b"]}, ["a"], ["c"], "value must be in list [a, b]"),
        ({"not_in": ["a", "b"]}, ["c"], ["a"], "value must not be in list [a, b]"),
        ({"pattern": "[a-z]+"}, ["abc"], ["", "ab1"], "value does not match regex pattern '[a-z]+'"),
        ({"min_len": 2, "ignore_empty": True}, ["", "ab"], ["a"], "value length must be at least 2 characters"),
        ({"email": True}, ["a@b.example"], ["a", "@b", "a@b..c", "x" * 65 + "@b"], "value must be a valid email address"),
        ({"hostname": True}, ["a.b-c.example.", "a"], ["-a", "a..b", "a_b", "a" * 64], "value must be a valid hostname"),
        ({"ip": True}, ["1.2.3.4", "::1"], ["1.2.3", "a"], "value must be a valid IP address"),
        ({"ipv4": True}, ["1.2.3.4"], ["::1"], "value must be a valid IPv4 address"),
        ({"ipv6": True}, ["::1"], ["1.2.3.4"], "value must be a valid IPv6 address"),
        ({"uri": True}, ["http://a/b"], ["a/b", "http://[a"], "value must be a valid absolute URI"),
        ({"uri_ref": True}, ["a/b"], ["//[a"], "value must be a valid URI"),
        ({"address": True}, ["1.2.3.4", "a.b"], ["a b"], "value must be a valid hostname or IP address"),
        (
            {"uuid": True},
            ["8b1a9953-c461-4a6b-a4b7-8f2a1c2d3e4f"],
            ["8b1a9953", "{8b1a9953-c461-4a6b-a4b7-8f2a1c2d3e4f}"],
            "value must be a valid UUID",
        ),
    ],
)
def test_strings(stated: dict[str, object], good: list[str], bad: list[str], reason: str) -> None:
    [check] = string_checks(rules(string=stated).string)
    assert [check(value) for value in good] == [None] * len(good)
    assert [check(value) for value in bad] == [reason] * len(bad)


def test_header_names_and_values() -> None:
    [name] = string_checks(rules(string={"well_known_regex": KnownRegex.HTTP_HEADER_NAME}).string)
    assert [value for value in (":path", "x-a", "", "a b", "a\n", "ä") if name(value) is None] == [":path", "x-a"]
    [value_check] = string_checks(rules(string={"well_known_regex": KnownRegex.HTTP_HEADER_VALUE}).string)
    assert [value for value in ("", "a\tb", "ä", "a\nb", "a\x7f") if value_check(value) is None] == ["", "a\tb", "ä"]
    [loose] = string_checks(rules(string={"well_known_regex": KnownRegex.HTTP_HEADER_NAME, "strict": False}).string)
    assert [value for value in ("", "a b", "a\nb", "a\r", "a\x00") if loose(value) is None] == ["", "a b"]


def test_bytes() -> None:
    least, most = bytes_checks(rules(bytes={"min_len": 1, "max_len": 2}).bytes)
    assert least(b"") == "value length must be at least 1 bytes"
    assert most(b"abc") == "value length must be at most 2 bytes"


def test_a_rule_that_is_not_known_is_not_skipped() -> None:
    with pytest.raises(UnknownRule, match="ip"):
        bytes_checks(rules(bytes={"ip": True}).bytes)
    with pytest.raises(UnknownRule, match="lt_now"):
        duration_checks(rules(timestamp={"lt_now": True}).timestamp)
    with pytest.raises(UnknownRule, match="well_known_regex"):
        string_checks(rules(string={"well_known_regex": KnownRegex.UNKNOWN}).string)
