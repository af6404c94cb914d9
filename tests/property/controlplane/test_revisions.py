"""Any sequence of changes: what is stored is what was made, a diff turns one revision into the other, a roll-back restores exactly."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from controlplane.base.group import Group, Selector
from controlplane.base.resource import DEFAULT_GROUP, GroupName, Resource, Revision
from controlplane.base.type_url import CLUSTER, LISTENER
from controlplane.revisions import record
from controlplane.revisions.configuration import Change, Configuration, ResourceKey, changed
from controlplane.revisions.diff import Difference, difference
from controlplane.revisions.effective import resource_sets
from controlplane.revisions.history import History
from controlplane.revisions.record import RevisionInfo
from controlplane.store.sqlite import SqliteStore
from tests.support.fuzzing import fuzzed

GROUPS = [DEFAULT_GROUP, GroupName("edge"), GroupName("inner")]

names = st.sampled_from(["a", "b", "c/d", "ü"])
keys = st.builds(ResourceKey, st.sampled_from(GROUPS), st.sampled_from([CLUSTER, LISTENER]), names)
selectors = st.builds(
    Selector,
    st.lists(st.text(max_size=3), max_size=2).map(tuple),
    metadata=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2).map(
        lambda pairs: tuple(sorted(pairs.items()))
    ),
    zone=st.text(max_size=2),
)
groups = st.builds(
    Group, st.sampled_from(GROUPS[1:]), st.lists(selectors, max_size=2).map(tuple), st.integers(-2, 2), st.booleans()
)


def configuration_of(resources: dict[ResourceKey, bytes], found: list[Group]) -> Configuration:
    by_name = {group.name: group for group in found}
    kept = {
        key: Resource.of(key.type_url, key.name, body)
        for key, body in resources.items()
        if key.group in by_name or key.group == DEFAULT_GROUP
    }
    return Configuration(by_name, kept)


configurations = st.builds(configuration_of, st.dictionaries(keys, st.binary(max_size=2)), st.lists(groups, max_size=2))


def as_change(found: Difference) -> Change:
    """The change that the difference describes."""
    return Change(
        puts={change.key: change.after for change in found.resources if change.after is not None},
        deletes=frozenset(change.key for change in found.resources if change.after is None and _group_stays(change.key, found)),
        group_puts={change.after.name: change.after for change in found.groups if change.after is not None},
        group_deletes=frozenset(change.before.name for change in found.groups if change.before and change.after is None),
    )


def _group_stays(key: ResourceKey, found: Difference) -> bool:
    return all(change.after is not None or change.name != key.group for change in found.groups)


def applicable(configuration: Configuration) -> bool:
    return all(selector != Selector() for group in configuration.groups.values() for selector in group.selectors)


@given(configurations, configurations.filter(applicable))
def test_applying_a_difference_gives_the_other_side(before: Configuration, after: Configuration) -> None:
    assert changed(before, as_change(difference(before, after))) == after


@given(configurations, configurations)
def test_differences_are_symmetric_and_empty_only_for_equals(one: Configuration, other: Configuration) -> None:
    there, back = difference(one, other), difference(other, one)
    assert (there.groups, there.resources) == ((), ()) if one == other else there.groups or there.resources
    assert there.count("added") == back.count("removed")
    assert there.count("changed") == back.count("changed")
    assert [change.key for change in there.resources] == sorted(change.key for change in back.resources)


@given(configurations)
def test_what_is_written_down_reads_back(configuration: Configuration) -> None:
    assert record.decode_groups(record.encode_groups(configuration.groups.values())) == configuration.groups
    pieces = [entry for piece in record.encode_pieces(configuration.resources) for entry in record.decode_piece(piece)]
    assert dict(pieces) == {key: record.digest(resource.body) for key, resource in configuration.resources.items()}


@given(configurations)
def test_a_group_gets_exactly_its_own_over_what_it_inherits(configuration: Configuration) -> None:
    sets = resource_sets(Revision(1), configuration, {})
    for group in configuration.all_groups():
        expected: dict[tuple[str, str], Resource] = {}
        for owner in ([DEFAULT_GROUP] if group.inherits else []) + [group.name]:
            expected |= {key[1:]: resource for key, resource in configuration.resources.items() if key.group == owner}
        found = {
            (type_url, name): each for type_url, by_name in sets[group.name].by_type.items() for name, each in by_name.items()
        }
        assert found == expected


@fuzzed(25)
@given(st.lists(configurations, min_size=1, max_size=5), st.data())
def test_history_gives_back_every_revision_and_a_roll_back_equals_its_target(
    made: list[Configuration], data: st.DataObject
) -> None:
    target = data.draw(st.integers(1, len(made)))

    async def body(directory: str) -> None:
        store = await SqliteStore.open(Path(directory) / "store.sqlite")
        history = History(store)
        for number, configuration in enumerate(made, start=1):
            await history.append(RevisionInfo(Revision(number), "", "", 0.0), configuration)
        restored = (await history.read(Revision(target))).configuration
        await history.append(RevisionInfo(Revision(len(made) + 1), "", "", 0.0, restores=Revision(target)), restored)
        reader = History(store)
        newest = await reader.load()
        assert (newest.configuration, newest.info.restores) == (made[target - 1], target)
        for number, configuration in enumerate(made, start=1):
            assert (await reader.read(Revision(number))).configuration == configuration
        await store.close()

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(body(directory))
