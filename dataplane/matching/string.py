"""Predicates on one string: the compiled forms of a StringMatcher.

Each function returns a plain callable that is bound once and asked per request.  Strings are bytes, case is ASCII case.
Not here: where the string comes from (matching.header, matching.path), protobuf (compile.matcher).
Envoy: type.matcher.v3.StringMatcher.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import methodcaller

from dataplane.matching.regex import Regex

StringPredicate = Callable[[bytes], object]  # the truth of the result counts


def exact(value: bytes, ignore_case: bool = False) -> StringPredicate:
    if not ignore_case:
        return value.__eq__
    value = value.lower()
    return lambda text: text.lower() == value


def prefix(value: bytes, ignore_case: bool = False) -> StringPredicate:
    if not ignore_case:
        return methodcaller("startswith", value)
    value = value.lower()
    return lambda text: text.lower().startswith(value)


def suffix(value: bytes, ignore_case: bool = False) -> StringPredicate:
    if not ignore_case:
        return methodcaller("endswith", value)
    value = value.lower()
    return lambda text: text.lower().endswith(value)


def contains(value: bytes, ignore_case: bool = False) -> StringPredicate:
    if not ignore_case:
        return lambda text: value in text
    value = value.lower()
    return lambda text: value in text.lower()


def regex(pattern: Regex) -> StringPredicate:
    """The whole string matches *pattern*."""
    return pattern.matches


def any_of(predicates: Sequence[StringPredicate]) -> StringPredicate:
    """A ListStringMatcher: at least one of *predicates* holds."""
    if len(predicates) == 1:
        return predicates[0]
    choices = tuple(predicates)
    return lambda text: any(choice(text) for choice in choices)
