"""Predicates on a connection that was just accepted.  Envoy: config.listener.v3.ListenerFilterChainMatchPredicate.

Here: the tree of predicates.  Not here: what is skipped where one matches (compile.listener_filters).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class Predicate(Protocol):
    def matches(self, destination_port: int | None) -> bool:
        """destination_port: None for a connection that has none, over a Unix socket."""


@dataclass(frozen=True, slots=True)
class Always:
    def matches(self, destination_port: int | None) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class PortRange:
    """start is inside, end is outside."""

    start: int
    end: int

    def matches(self, destination_port: int | None) -> bool:
        return destination_port is not None and self.start <= destination_port < self.end


@dataclass(frozen=True, slots=True)
class Not:
    predicate: Predicate

    def matches(self, destination_port: int | None) -> bool:
        return not self.predicate.matches(destination_port)


@dataclass(frozen=True, slots=True)
class AnyOf:
    predicates: Sequence[Predicate]

    def matches(self, destination_port: int | None) -> bool:
        return any(each.matches(destination_port) for each in self.predicates)


@dataclass(frozen=True, slots=True)
class AllOf:
    predicates: Sequence[Predicate]

    def matches(self, destination_port: int | None) -> bool:
        return all(each.matches(destination_port) for each in self.predicates)
