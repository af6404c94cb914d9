"""What the proxies of a group get: the group's own resources over those it inherits from `default`.

Here: pure.  Not here: which proxy is in which group (service.selection), sending (delivery).
Decided: a group inherits unless told otherwise, by type and name, because most groups differ from the rest in a few resources, and
a copy of all others would go stale; a group that must share nothing says `inherits: false`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from controlplane.base.group import Group
from controlplane.base.resource import DEFAULT_GROUP, GroupName, Resource, ResourceSet, Revision
from controlplane.revisions.configuration import Configuration

ByType = dict[str, dict[str, Resource]]


def resource_sets(
    revision: Revision, configuration: Configuration, previous: Mapping[GroupName, ResourceSet]
) -> Mapping[GroupName, ResourceSet]:
    """One set per group, `default` included.  Types without a difference to *previous* are the same objects as there."""
    own: dict[GroupName, ByType] = {}
    for key, resource in configuration.resources.items():
        own.setdefault(key.group, {}).setdefault(key.type_url, {})[key.name] = resource
    return {
        group.name: ResourceSet(revision, _kept(_of(group, own), previous.get(group.name)))
        for group in configuration.all_groups()
    }


def _of(group: Group, own: Mapping[GroupName, ByType]) -> ByType:
    inherited = own.get(DEFAULT_GROUP, {}) if group.inherits else {}
    mine = own.get(group.name, {})
    return {type_url: inherited.get(type_url, {}) | mine.get(type_url, {}) for type_url in inherited.keys() | mine.keys()}


def _kept(by_type: ByType, previous: ResourceSet | None) -> Mapping[str, Mapping[str, Resource]]:
    before = previous.by_type if previous is not None else {}
    kept: dict[str, Mapping[str, Resource]] = {}
    for type_url in sorted(by_type):
        old = before.get(type_url)
        kept[type_url] = old if old is not None and old == by_type[type_url] else MappingProxyType(by_type[type_url])
    return MappingProxyType(kept)
