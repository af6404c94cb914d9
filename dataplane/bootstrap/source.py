"""Where the parts of a loaded message were written: from a field path to source, line and column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dataplane.base.errors import FieldPath
from dataplane.compile.tree import Value, place_of


@dataclass(frozen=True, slots=True)
class Place:
    """line, column: from 1; None where the source has none (a serialized message)."""

    source: str
    line: int | None = None
    column: int | None = None


class SourceMap:
    """The trees that a message was made of, in the order of their merging, with the names of their texts."""

    __slots__ = ("_names", "_roots")

    def __init__(self, named_roots: Sequence[tuple[str, Value]], name: str = "") -> None:
        """name: of the source where no tree is known."""
        self._names = [each for each, _ in named_roots] or [name]
        self._roots = [root for _, root in named_roots]

    def place(self, at: FieldPath) -> Place:
        """Where *at* is written, or the closest part around it that is."""
        found = place_of(self._roots, at.steps)
        if found is None or not found[1].line:
            return Place(self._names[0])
        index, value = found
        return Place(self._names[index], value.line, value.column)


NOWHERE = SourceMap(())
"""For a message that was never a text."""
