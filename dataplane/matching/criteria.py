"""Metadata that a request asks its host for, as subsets of a cluster are looked up by.

Values are plain Python, as `compile.units` makes them of a Struct; for look-ups they are frozen, so that true is not one.
Envoy: Router::MetadataMatchCriteria.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Final

LB_NAMESPACE: Final = "envoy.lb"
"""The metadata namespace that load balancing reads."""


class Criteria:
    """What each name must be.  key: the same for the same names and values.  Equal criteria have equal keys."""

    __slots__ = ("key", "names", "values")

    def __init__(self, values: Mapping[str, object]) -> None:
        self.values: Final = values
        self.names: Final = frozenset(values)
        self.key: Final = tuple((name, freeze(value)) for name, value in sorted(values.items()))

    def merged(self, over: Mapping[str, object]) -> Criteria:
        """With *over* in place of what it names."""
        return Criteria({**self.values, **over})

    def only(self, names: frozenset[str]) -> Criteria:
        return Criteria({name: value for name, value in self.values.items() if name in names})

    def without(self, name: str) -> Criteria:
        return Criteria({key: value for key, value in self.values.items() if key != name})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Criteria) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"Criteria({dict(self.values)!r})"


def freeze(value: object) -> Hashable:
    """A value that equals another frozen one if both mean the same in protobuf."""
    if isinstance(value, Mapping):
        return ("struct", tuple((key, freeze(item)) for key, item in sorted(value.items())))
    if isinstance(value, list):
        return ("list", tuple(freeze(item) for item in value))
    if isinstance(value, bool):
        return ("bool", value)
    return value if isinstance(value, str) else ("number or null", value)


def criteria_of(metadata: Mapping[str, object]) -> Criteria | None:
    """Those in the metadata of a route; None where it asks for nothing."""
    values = metadata.get(LB_NAMESPACE)
    return Criteria(values) if isinstance(values, Mapping) and values else None
