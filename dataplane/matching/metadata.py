"""Predicates on values of metadata: the compiled forms of ValueMatcher and MetadataMatcher.

A value is plain Python, as `compile.units` makes it of a Struct; `MISSING` stands for a path that leads nowhere.
Not here: where the metadata comes from (observe.stream_info, routing.route), protobuf (compile.metadata_matcher).
Envoy: type.matcher.v3.{ValueMatcher, MetadataMatcher}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from dataplane.matching.string import StringPredicate

ValuePredicate = Callable[[object], bool]
MetadataPredicate = Callable[[Mapping[str, object] | None], bool]


class _Missing:
    """The type of MISSING."""


MISSING: Final = _Missing()


def is_null(value: object) -> bool:
    """There, and null."""
    return value is None


def is_present(value: object) -> bool:
    return value is not MISSING


def never(value: object) -> bool:
    return False


def is_bool(expected: bool) -> ValuePredicate:
    return lambda value: value is expected


def is_number(expected: float) -> ValuePredicate:
    return lambda value: _number(value) == expected


def in_number_range(start: float, end: float) -> ValuePredicate:
    """Half open: [start, end)."""

    def matches(value: object) -> bool:
        number = _number(value)
        return number is not None and start <= number < end

    return matches


def is_text(test: StringPredicate) -> ValuePredicate:
    return lambda value: isinstance(value, str) and bool(test(value.encode()))


def some_item(test: ValuePredicate) -> ValuePredicate:
    """A list with an item that passes."""
    return lambda value: isinstance(value, list) and any(test(item) for item in value)


def any_value(tests: Sequence[ValuePredicate]) -> ValuePredicate:
    choices = tuple(tests)
    return lambda value: any(test(value) for test in choices)


def at_path(namespace: str, keys: Sequence[str], test: ValuePredicate, invert: bool = False) -> MetadataPredicate:
    """The value below *namespace* at the end of *keys* passes *test*; or does not, where *invert* is set."""
    steps = (namespace, *keys)

    def matches(metadata: Mapping[str, object] | None) -> bool:
        found: object = metadata
        for step in steps:
            found = found.get(step, MISSING) if isinstance(found, Mapping) else MISSING
        return test(found) is not invert

    return matches


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
