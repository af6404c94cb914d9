"""What changed from one generation to the next.  Identity decides: compile and link reuse what did not change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Diff(Generic[Value]):
    """added and changed hold the new values, removed the old ones."""

    added: Mapping[str, Value]
    changed: Mapping[str, Value]
    removed: Mapping[str, Value]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def diff(old: Mapping[str, Value], new: Mapping[str, Value]) -> Diff[Value]:
    """Compare two mappings by the identity of their values."""
    if old is new:
        return Diff({}, {}, {})
    return Diff(
        added={name: value for name, value in new.items() if name not in old},
        changed={name: value for name, value in new.items() if name in old and old[name] is not value},
        removed={name: value for name, value in old.items() if name not in new},
    )
