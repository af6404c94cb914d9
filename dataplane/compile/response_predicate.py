"""MatchPredicate over the head of a response.  Envoy: config.common.matcher.v3.MatchPredicate."""

from __future__ import annotations

from collections.abc import Callable

from envoy.config.common.matcher.v3.matcher_pb2 import HttpHeadersMatch, MatchPredicate

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.matcher import compile_header_matchers
from dataplane.compile.support import supports
from dataplane.matching.header import all_headers
from dataplane.semantics.header_map import ResponseHeaders

ResponsePredicate = Callable[[ResponseHeaders], bool]

supports(MatchPredicate, "or_match", "and_match", "not_match", "any_match", "http_response_headers_match")
supports(MatchPredicate.MatchSet, "rules")
supports(HttpHeadersMatch, "headers")


def compile_response_predicate(message: MatchPredicate, at: FieldPath) -> ResponsePredicate:
    kind = message.WhichOneof("rule")
    match kind:
        case "or_match":
            return _any_of(_rules(message.or_match, at / "or_match"))
        case "and_match":
            return _all_of(_rules(message.and_match, at / "and_match"))
        case "not_match":
            return _none_of(compile_response_predicate(message.not_match, at / "not_match"))
        case "any_match":
            return _always
        case "http_response_headers_match":
            at = at / "http_response_headers_match" / "headers"
            return all_headers(compile_header_matchers(message.http_response_headers_match.headers, at))
    raise ConfigError(at / (kind or "rule"), "not supported" if kind else "is required")


def _rules(message: MatchPredicate.MatchSet, at: FieldPath) -> list[ResponsePredicate]:
    return [compile_response_predicate(each, at / "rules" / index) for index, each in enumerate(message.rules)]


def _always(response: ResponseHeaders) -> bool:
    return True


def _any_of(predicates: list[ResponsePredicate]) -> ResponsePredicate:
    return lambda response: any(matches(response) for matches in predicates)


def _all_of(predicates: list[ResponsePredicate]) -> ResponsePredicate:
    return lambda response: all(matches(response) for matches in predicates)


def _none_of(predicate: ResponsePredicate) -> ResponsePredicate:
    return lambda response: not predicate(response)
