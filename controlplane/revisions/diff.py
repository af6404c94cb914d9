"""How two configurations differ: per resource and per group, added, removed or changed.

Here: pure comparison.  Not here: text of the differences (build.render).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from controlplane.base.group import Group
from controlplane.base.resource import Resource
from controlplane.revisions.configuration import Configuration, ResourceKey

Kind = Literal["added", "removed", "changed"]
Key = TypeVar("Key", bound=str | tuple[str, ...])
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """before is None: added.  after is None: removed."""

    key: ResourceKey
    before: Resource | None
    after: Resource | None

    @property
    def kind(self) -> Kind:
        return _kind(self.before, self.after)


@dataclass(frozen=True, slots=True)
class GroupChange:
    """before is None: added.  after is None: removed."""

    before: Group | None
    after: Group | None

    @property
    def kind(self) -> Kind:
        return _kind(self.before, self.after)

    @property
    def name(self) -> str:
        group = self.after or self.before
        assert group is not None
        return group.name


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything that differs, sorted by name; empty when two configurations are equal."""

    groups: tuple[GroupChange, ...]
    resources: tuple[ResourceChange, ...]

    def count(self, kind: Kind) -> int:
        return sum(change.kind == kind for change in self.groups) + sum(change.kind == kind for change in self.resources)


def difference(before: Configuration, after: Configuration) -> Difference:
    """What turns *before* into *after*."""
    resources = _differing(before.resources, after.resources)
    groups = _differing(before.groups, after.groups)
    return Difference(
        tuple(GroupChange(old, new) for _, old, new in groups),
        tuple(ResourceChange(key, old, new) for key, old, new in resources),
    )


def _differing(before: Mapping[Key, Value], after: Mapping[Key, Value]) -> list[tuple[Key, Value | None, Value | None]]:
    differing = [key for key, value in before.items() if after.get(key) is not value and after.get(key) != value]
    added = [key for key in after if key not in before]
    return [(key, before.get(key), after.get(key)) for key in sorted(differing + added)]


def _kind(before: object | None, after: object | None) -> Kind:
    if before is None:
        return "added"
    return "removed" if after is None else "changed"
