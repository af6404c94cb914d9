"""Changes to a configuration: what is kept, what goes, what is refused."""

from __future__ import annotations

import pytest

from controlplane.base.errors import NotFound, Refused
from controlplane.base.group import Group, Selector
from controlplane.base.resource import DEFAULT_GROUP, GroupName, Resource
from controlplane.base.type_url import CLUSTER, LISTENER
from controlplane.revisions.configuration import Change, Configuration, ResourceKey, changed

EDGE = GroupName("edge")
EDGE_GROUP = Group(EDGE, (Selector(node_ids=("edge-*",)),))


def key(name: str, group: GroupName = DEFAULT_GROUP, type_url: str = CLUSTER) -> ResourceKey:
    return ResourceKey(group, type_url, name)


def puts(*names: str, body: bytes = b"1", group: GroupName = DEFAULT_GROUP) -> dict[ResourceKey, Resource]:
    return {key(name, group): Resource.of(CLUSTER, name, body) for name in names}


def with_resources(*names: str) -> Configuration:
    return changed(Configuration(), Change(puts=puts(*names)))


def test_what_a_change_does_not_name_stays_the_same_object() -> None:
    before = with_resources("a", "b")
    after = changed(before, Change(puts=puts("b", body=b"2")))
    assert after.resources[key("a")] is before.resources[key("a")]
    assert after.resources[key("b")].body == b"2"


def test_putting_equal_content_changes_nothing() -> None:
    before = with_resources("a")
    assert changed(before, Change(puts=puts("a"))) is before


def test_deleting_removes_and_missing_ones_are_all_named() -> None:
    before = with_resources("a", "b")
    assert set(changed(before, Change(deletes=frozenset([key("a")]))).resources) == {key("b")}
    with pytest.raises(NotFound, match=r"Cluster\{x\} in group default, Cluster\{y\} in group default, group nobody"):
        changed(before, Change(deletes=frozenset([key("y"), key("x")]), group_deletes=frozenset([GroupName("nobody")])))


def test_pruning_leaves_exactly_what_is_put_in_that_group() -> None:
    before = changed(with_resources("a", "b"), Change(group_puts={EDGE: EDGE_GROUP}, puts=puts("b", group=EDGE)))
    after = changed(before, Change(puts=puts("c"), prune=frozenset([DEFAULT_GROUP])))
    assert set(after.resources) == {key("c"), key("b", EDGE)}


def test_a_group_and_its_resources_can_come_in_one_change_and_go_together() -> None:
    before = changed(with_resources("a"), Change(group_puts={EDGE: EDGE_GROUP}, puts=puts("b", group=EDGE)))
    assert before.group(EDGE) == EDGE_GROUP
    assert [group.name for group in before.all_groups()] == ["default", "edge"]
    after = changed(before, Change(group_deletes=frozenset([EDGE])))
    assert (dict(after.groups), set(after.resources)) == ({}, {key("a")})


def test_a_resource_needs_its_group() -> None:
    with pytest.raises(Refused, match="group edge does not exist"):
        changed(Configuration(), Change(puts=puts("a", group=EDGE)))
    with_group = changed(Configuration(), Change(group_puts={EDGE: EDGE_GROUP}))
    with pytest.raises(Refused, match="group edge does not exist"):
        changed(with_group, Change(group_deletes=frozenset([EDGE]), puts=puts("a", group=EDGE)))


def test_bad_groups_are_refused_with_every_reason() -> None:
    default = Group(DEFAULT_GROUP, priority=1)
    nameless = Group(GroupName(""), (Selector(), Selector(zone="a")))
    with pytest.raises(Refused) as refused:
        changed(Configuration(), Change(group_puts={default.name: default, nameless.name: nameless}))
    assert [(problem.resource, problem.path) for problem in refused.value.problems] == [
        ("Group{default}", ""),
        ("Group", "name"),
        ("Group{}", "selectors[0]"),
    ]
    with pytest.raises(Refused, match="default"):
        changed(Configuration(), Change(group_deletes=frozenset([DEFAULT_GROUP])))


def test_resources_of_different_types_may_share_a_name() -> None:
    listener = {key("a", type_url=LISTENER): Resource.of(LISTENER, "a", b"l")}
    assert len(changed(with_resources("a"), Change(puts=listener)).resources) == 2
