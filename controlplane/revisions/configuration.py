"""The configuration of one revision as a value, and how a change makes the next.

Here: pure functions on frozen values.  Not here: whether resources are valid (build), storing (history), numbering (history).
Invariants: every resource belongs to a group that exists; `default` exists always; unchanged resources are the same objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from controlplane.base.errors import NotFound, Problem, Refused
from controlplane.base.group import DEFAULT, Group, Selector
from controlplane.base.resource import DEFAULT_GROUP, GroupName, Resource
from controlplane.base.type_url import short


class ResourceKey(NamedTuple):
    """What identifies a resource in a configuration; sorts by group, type, name."""

    group: GroupName
    type_url: str
    name: str

    def __str__(self) -> str:
        return f"{short(self.type_url)}{{{self.name}}} in group {self.group}"


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything one revision holds.  groups: without `default`, which every configuration has."""

    groups: Mapping[GroupName, Group] = field(default_factory=lambda: MappingProxyType({}))
    resources: Mapping[ResourceKey, Resource] = field(default_factory=lambda: MappingProxyType({}))

    def group(self, name: GroupName) -> Group | None:
        return DEFAULT if name == DEFAULT_GROUP else self.groups.get(name)

    def all_groups(self) -> tuple[Group, ...]:
        """`default` first, then by name."""
        return (DEFAULT, *(self.groups[name] for name in sorted(self.groups)))


@dataclass(frozen=True, slots=True)
class Change:
    """What the next configuration has that the current has not, and the other way round.

    prune: groups whose resources are exactly those of `puts`; what else they have is removed.
    """

    puts: Mapping[ResourceKey, Resource] = field(default_factory=lambda: MappingProxyType({}))
    deletes: frozenset[ResourceKey] = frozenset()
    group_puts: Mapping[GroupName, Group] = field(default_factory=lambda: MappingProxyType({}))
    group_deletes: frozenset[GroupName] = frozenset()
    prune: frozenset[GroupName] = frozenset()


def changed(current: Configuration, change: Change) -> Configuration:
    """The configuration after *change*; *current* itself where nothing differs.  A group that goes takes its resources along.

    Raises Refused (unknown or bad group, `default` redefined), NotFound (something to delete is not there).
    """
    _refuse_bad_groups(change)
    _require_present(current, change)
    groups = {name: group for name, group in current.groups.items() if name not in change.group_deletes} | dict(change.group_puts)
    resources = {key: resource for key, resource in current.resources.items() if not _goes(key, change)}
    for key, resource in change.puts.items():
        before = current.resources.get(key)
        resources[key] = before if before == resource and before is not None else resource
    _refuse_unknown_groups(groups, change.puts)
    if groups == current.groups and resources == current.resources:
        return current
    return Configuration(MappingProxyType(groups), MappingProxyType(resources))


def _goes(key: ResourceKey, change: Change) -> bool:
    return key in change.deletes or key.group in change.group_deletes or (key.group in change.prune and key not in change.puts)


def _refuse_bad_groups(change: Change) -> None:
    problems: list[Problem] = []
    if DEFAULT_GROUP in change.group_puts or DEFAULT_GROUP in change.group_deletes:
        reason = "group default holds every proxy that no other group selects; it cannot be changed or deleted"
        problems.append(Problem(reason, resource="Group{default}"))
    for group in change.group_puts.values():
        if not group.name:
            problems.append(Problem("must not be empty", resource="Group", path="name"))
        for index, selector in enumerate(group.selectors):
            if selector == Selector():
                problems.append(Problem("has no condition", resource=f"Group{{{group.name}}}", path=f"selectors[{index}]"))
    if problems:
        raise Refused(problems)


def _require_present(current: Configuration, change: Change) -> None:
    missing = [str(key) for key in sorted(change.deletes) if key not in current.resources]
    missing += [f"group {name}" for name in sorted(change.group_deletes) if name not in current.groups]
    if missing:
        raise NotFound("not found: " + ", ".join(missing))


def _refuse_unknown_groups(groups: Mapping[GroupName, Group], keys: Iterable[ResourceKey]) -> None:
    unknown = sorted({key.group for key in keys} - groups.keys() - {DEFAULT_GROUP})
    if unknown:
        raise Refused([Problem(f"group {name} does not exist; create it first or in the same change") for name in unknown])
