"""StatsMatcher → which stats are not kept.  Envoy: config.metrics.v3.StatsMatcher."""

from __future__ import annotations

from collections.abc import Callable

from envoy.config.metrics.v3.stats_pb2 import StatsMatcher
from envoy.type.matcher.v3.string_pb2 import ListStringMatcher

from dataplane.base.errors import FieldPath
from dataplane.compile.matcher import compile_string_matcher
from dataplane.compile.support import supports
from dataplane.matching import string

supports(StatsMatcher, "reject_all", "exclusion_list", "inclusion_list")

Rejects = Callable[[str], bool]
"""Whether a stat of this full name is not kept."""


def compile_stats_matcher(matcher: StatsMatcher, at: FieldPath) -> Rejects | None:
    """None where everything is kept."""
    match matcher.WhichOneof("stats_matcher"):
        case "exclusion_list":
            excluded = _any_of(matcher.exclusion_list, at / "exclusion_list")
            return lambda name: bool(excluded(name.encode()))
        case "inclusion_list":
            included = _any_of(matcher.inclusion_list, at / "inclusion_list")
            return lambda name: not included(name.encode())
    return (lambda name: True) if matcher.reject_all else None


def _any_of(matchers: ListStringMatcher, at: FieldPath) -> string.StringPredicate:
    return string.any_of([compile_string_matcher(each, at / "patterns" / index) for index, each in enumerate(matchers.patterns)])
