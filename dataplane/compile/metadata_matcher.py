"""MetadataMatcher and ValueMatcher → predicates of `matching.metadata`."""

from __future__ import annotations

from typing import Any

from envoy.type.matcher.v3.metadata_pb2 import MetadataMatcher
from envoy.type.matcher.v3.number_pb2 import DoubleMatcher
from envoy.type.matcher.v3.value_pb2 import ListMatcher, OrMatcher, ValueMatcher
from envoy.type.v3.range_pb2 import DoubleRange

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.matcher import compile_string_matcher
from dataplane.compile.support import supports
from dataplane.matching import metadata
from dataplane.matching.metadata import MetadataPredicate, ValuePredicate

supports(MetadataMatcher, "filter", "path", "value", "invert")
supports(MetadataMatcher.PathSegment, "key")
supports(ValueMatcher, "null_match", "double_match", "string_match", "bool_match", "present_match", "list_match", "or_match")
supports(ValueMatcher.NullMatch)
supports(DoubleMatcher, "range", "exact")
supports(DoubleRange, "start", "end")
supports(ListMatcher, "one_of")
supports(OrMatcher, "value_matchers")


def compile_metadata_matcher(matcher: MetadataMatcher, at: FieldPath) -> MetadataPredicate:
    """The predicate on metadata by namespace."""
    test = compile_value_matcher(matcher.value, at / "value")
    return metadata.at_path(matcher.filter, [segment.key for segment in matcher.path], test, matcher.invert)


def compile_value_matcher(matcher: ValueMatcher, at: FieldPath) -> ValuePredicate:
    kind = matcher.WhichOneof("match_pattern")
    match kind:
        case "null_match":
            return metadata.is_null
        case "double_match":
            return _number(matcher.double_match, at / kind)
        case "string_match":
            return metadata.is_text(compile_string_matcher(matcher.string_match, at / kind))
        case "bool_match":
            return metadata.is_bool(matcher.bool_match)
        case "present_match":
            return metadata.is_present if matcher.present_match else metadata.never
        case "list_match":
            return metadata.some_item(compile_value_matcher(matcher.list_match.one_of, at / kind / "one_of"))
        case "or_match":
            at_each = at / kind / "value_matchers"
            choices = [compile_value_matcher(each, at_each / index) for index, each in enumerate(matcher.or_match.value_matchers)]
            return metadata.any_value(choices)
    raise ConfigError(at / "match_pattern", "is required")


def _number(matcher: Any, at: FieldPath) -> ValuePredicate:
    kind = matcher.WhichOneof("match_pattern")
    if kind == "range":
        return metadata.in_number_range(matcher.range.start, matcher.range.end)
    if kind == "exact":
        return metadata.is_number(matcher.exact)
    raise ConfigError(at / "match_pattern", "is required")
