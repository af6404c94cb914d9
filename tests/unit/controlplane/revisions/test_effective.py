"""What the proxies of a group get: inheritance from `default`, and that unchanged parts stay the same objects."""

from __future__ import annotations

from controlplane.base.group import Group
from controlplane.base.resource import DEFAULT_GROUP, GroupName, Resource, ResourceSet, Revision
from controlplane.base.type_url import CLUSTER, LISTENER
from controlplane.revisions.configuration import Change, Configuration, ResourceKey, changed
from controlplane.revisions.effective import resource_sets

EDGE, ALONE = GroupName("edge"), GroupName("alone")


def put(group: GroupName, type_url: str, name: str, body: bytes) -> Change:
    return Change(puts={ResourceKey(group, type_url, name): Resource.of(type_url, name, body)})


def configuration(*changes: Change) -> Configuration:
    groups = {EDGE: Group(EDGE), ALONE: Group(ALONE, inherits=False)}
    current = changed(Configuration(), Change(group_puts=groups))
    for change in changes:
        current = changed(current, change)
    return current


def bodies(resources: ResourceSet) -> dict[str, bytes]:
    return {name: resource.body for by_name in resources.by_type.values() for name, resource in by_name.items()}


def test_a_group_gets_what_default_has_and_its_own_over_it() -> None:
    sets = resource_sets(
        Revision(3),
        configuration(
            put(DEFAULT_GROUP, CLUSTER, "a", b"default"),
            put(DEFAULT_GROUP, CLUSTER, "b", b"default"),
            put(EDGE, CLUSTER, "b", b"edge"),
            put(EDGE, LISTENER, "l", b"edge"),
        ),
        {},
    )
    assert bodies(sets[DEFAULT_GROUP]) == {"a": b"default", "b": b"default"}
    assert bodies(sets[EDGE]) == {"a": b"default", "b": b"edge", "l": b"edge"}
    assert {group: resources.revision for group, resources in sets.items()} == {DEFAULT_GROUP: 3, EDGE: 3, ALONE: 3}


def test_a_group_that_does_not_inherit_gets_only_its_own() -> None:
    sets = resource_sets(Revision(1), configuration(put(DEFAULT_GROUP, CLUSTER, "a", b"1"), put(ALONE, CLUSTER, "z", b"1")), {})
    assert bodies(sets[ALONE]) == {"z": b"1"}


def test_types_that_did_not_change_are_the_same_objects() -> None:
    first = configuration(put(DEFAULT_GROUP, CLUSTER, "a", b"1"), put(DEFAULT_GROUP, LISTENER, "l", b"1"))
    before = resource_sets(Revision(1), first, {})
    after = resource_sets(Revision(2), changed(first, put(DEFAULT_GROUP, LISTENER, "l", b"2")), before)
    for group in (DEFAULT_GROUP, EDGE):
        assert after[group].by_type[CLUSTER] is before[group].by_type[CLUSTER]
        assert after[group].by_type[LISTENER]["l"].body == b"2"
