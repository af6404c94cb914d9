"""Predicates on header maps and on query parameters: the compiled forms of HeaderMatcher and QueryParameterMatcher.

One matching value of a repeated header is enough (Envoy since 1.36 matches the values one by one, not joined by commas).  A header that
is absent matches nothing, inverted or not, unless the matcher treats it as empty.  Not here: protobuf (compile.matcher).
Envoy: config.route.v3.{HeaderMatcher, QueryParameterMatcher}.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from dataplane.matching.string import StringPredicate
from dataplane.semantics.header_map import HeaderMap

HeaderPredicate = Callable[[HeaderMap], bool]
QueryPredicate = Callable[[Mapping[bytes, bytes]], bool]

_INTEGER: Final = re.compile(rb"\s*[+-]?[0-9]+\s*")
_LEAST: Final = -(1 << 63)
_GREATEST: Final = (1 << 63) - 1


def value_matches(name: bytes, test: StringPredicate, *, invert: bool = False, missing_is_empty: bool = False) -> HeaderPredicate:
    """Some value of *name* passes *test* (or, inverted, none of them does)."""
    if_missing = missing_is_empty and bool(test(b"")) is not invert
    if is_pseudo(name):

        def pseudo_matches(headers: HeaderMap) -> bool:
            value = headers.pseudo(name)
            return if_missing if value is None else bool(test(value)) is not invert

        return pseudo_matches

    def matches(headers: HeaderMap) -> bool:
        present = False
        for key, value in headers.fields:
            if key == name:
                if test(value):
                    return not invert
                present = True
        return invert if present else if_missing

    return matches


def present(name: bytes, *, expected: bool = True, invert: bool = False, missing_is_empty: bool = False) -> HeaderPredicate:
    """*name* is there (or, where *expected* is false, is not).  invert turns the answer round."""
    answer_if_present = expected is not invert
    if missing_is_empty:
        return lambda headers: answer_if_present
    if is_pseudo(name):
        return lambda headers: (headers.pseudo(name) is not None) is answer_if_present
    return lambda headers: (name in headers) is answer_if_present


def in_range(start: int, end: int) -> StringPredicate:
    """A decimal integer of 64 bits in the half-open range [start, end)."""

    def matches(text: bytes) -> bool:
        number = parse_integer(text)
        return number is not None and start <= number < end

    return matches


def parse_integer(text: bytes) -> int | None:
    """*text* as a signed 64-bit integer with optional blanks around it, None for anything else."""
    if len(text) > 64 or _INTEGER.fullmatch(text) is None:
        return None
    number = int(text)
    return number if _LEAST <= number <= _GREATEST else None


def all_headers(predicates: Sequence[HeaderPredicate]) -> HeaderPredicate:
    """Every one of *predicates* holds."""
    if len(predicates) == 1:
        return predicates[0]
    required = tuple(predicates)

    def matches(headers: HeaderMap) -> bool:
        for predicate in required:  # noqa: SIM110  # a generator for all() would cost more than the tests
            if not predicate(headers):
                return False
        return True

    return matches


def is_pseudo(name: bytes) -> bool:
    """Whether the header is kept outside of the list of fields."""
    return name[:1] == b":" or name == b"host"


def query_matches(name: bytes, test: StringPredicate) -> QueryPredicate:
    """The parameter is there and its first value passes *test*."""

    def matches(parameters: Mapping[bytes, bytes]) -> bool:
        value = parameters.get(name)
        return value is not None and bool(test(value))

    return matches


def query_present(name: bytes, expected: bool = True) -> QueryPredicate:
    """The parameter is there (or, where *expected* is false, is not)."""
    return lambda parameters: (name in parameters) is expected


def parse_query(query: bytes) -> dict[bytes, bytes]:
    """First value of each parameter of *query* (without `?`), as written: nothing is decoded, as in Envoy."""
    parameters: dict[bytes, bytes] = {}
    for item in query.split(b"&"):
        if item:
            name, _, value = item.partition(b"=")
            parameters.setdefault(name, value)
    return parameters
