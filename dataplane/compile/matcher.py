"""StringMatcher, RegexMatcher, HeaderMatcher and QueryParameterMatcher → predicates of `matching`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from envoy.config.route.v3.route_components_pb2 import HeaderMatcher, QueryParameterMatcher
from envoy.type.matcher.v3.regex_pb2 import RegexMatchAndSubstitute, RegexMatcher
from envoy.type.matcher.v3.string_pb2 import ListStringMatcher, StringMatcher
from envoy.type.v3.range_pb2 import Int64Range

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.support import supports
from dataplane.matching import header, string
from dataplane.matching.header import HeaderPredicate, QueryPredicate
from dataplane.matching.regex import BadRegex, Regex
from dataplane.matching.string import StringPredicate

supports(RegexMatcher, "google_re2", "regex")
supports(RegexMatcher.GoogleRE2, "max_program_size")
supports(RegexMatchAndSubstitute, "pattern", "substitution")
supports(StringMatcher, "exact", "prefix", "suffix", "safe_regex", "contains", "ignore_case")
supports(ListStringMatcher, "patterns")
supports(Int64Range, "start", "end")
supports(
    HeaderMatcher,
    "name",
    "exact_match",
    "safe_regex_match",
    "range_match",
    "present_match",
    "prefix_match",
    "suffix_match",
    "contains_match",
    "string_match",
    "invert_match",
    "treat_missing_header_as_empty",
)
supports(QueryParameterMatcher, "name", "string_match", "present_match")


def compile_regex(matcher: RegexMatcher, at: FieldPath) -> Regex:
    try:
        regex = Regex(matcher.regex)
    except BadRegex as error:
        raise ConfigError(at / "regex", str(error)) from error
    if matcher.google_re2.HasField("max_program_size"):
        most = matcher.google_re2.max_program_size.value
        if regex.program_size > most:
            reason = f"regex '{matcher.regex}' RE2 program size of {regex.program_size} > max program size of {most}."
            raise ConfigError(at / "regex", reason)
    return regex


def compile_substitution(rewrite: RegexMatchAndSubstitute, at: FieldPath) -> Callable[[bytes], bytes]:
    """Replace what the pattern matches."""
    return compile_regex(rewrite.pattern, at / "pattern").replacer(rewrite.substitution)


def compile_string_matcher(matcher: StringMatcher, at: FieldPath) -> StringPredicate:
    kind = matcher.WhichOneof("match_pattern")
    ignore_case = matcher.ignore_case
    match kind:
        case "exact":
            return string.exact(matcher.exact.encode(), ignore_case)
        case "prefix":
            return string.prefix(matcher.prefix.encode(), ignore_case)
        case "suffix":
            return string.suffix(matcher.suffix.encode(), ignore_case)
        case "contains":
            return string.contains(matcher.contains.encode(), ignore_case)
        case "safe_regex":
            if ignore_case:
                raise ConfigError(at / "ignore_case", "ignore_case has no effect for safe_regex.")
            return string.regex(compile_regex(matcher.safe_regex, at / "safe_regex"))
        case None:
            raise ConfigError(at / "match_pattern", "is required")
    raise ConfigError(at / kind, "not supported")


def compile_header_matcher(matcher: HeaderMatcher, at: FieldPath) -> HeaderPredicate:
    name = matcher.name.lower().encode()
    invert, missing_is_empty = matcher.invert_match, matcher.treat_missing_header_as_empty
    kind = matcher.WhichOneof("header_match_specifier")
    # An exact_match of "" asks only for presence: what an unset field meant before there was a oneof.
    if kind in (None, "present_match") or (kind == "exact_match" and not matcher.exact_match):
        expected = kind != "present_match" or matcher.present_match
        return header.present(name, expected=expected, invert=invert, missing_is_empty=missing_is_empty)
    test = _value_test(matcher, kind, at)
    return header.value_matches(name, test, invert=invert, missing_is_empty=missing_is_empty)


def compile_header_matchers(matchers: Iterable[HeaderMatcher], at: FieldPath) -> list[HeaderPredicate]:
    return [compile_header_matcher(matcher, at / index) for index, matcher in enumerate(matchers)]


def compile_query_matcher(matcher: QueryParameterMatcher, at: FieldPath) -> QueryPredicate:
    name = matcher.name.encode()
    kind = matcher.WhichOneof("query_parameter_match_specifier")
    if kind == "string_match":
        return header.query_matches(name, compile_string_matcher(matcher.string_match, at / "string_match"))
    return header.query_present(name, expected=kind is None or matcher.present_match)


def _value_test(matcher: HeaderMatcher, kind: str, at: FieldPath) -> StringPredicate:
    match kind:
        case "exact_match":
            return string.exact(matcher.exact_match.encode())
        case "prefix_match":
            return string.prefix(matcher.prefix_match.encode())
        case "suffix_match":
            return string.suffix(matcher.suffix_match.encode())
        case "contains_match":
            return string.contains(matcher.contains_match.encode())
        case "safe_regex_match":
            return string.regex(compile_regex(matcher.safe_regex_match, at / "safe_regex_match"))
        case "range_match":
            return header.in_range(matcher.range_match.start, matcher.range_match.end)
        case "string_match":
            return compile_string_matcher(matcher.string_match, at / "string_match")
    raise ConfigError(at / kind, "not supported")
