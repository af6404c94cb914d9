"""The service with a recording delivery: what is published when, several writers on one store, conditions, crashes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from envoy.config.cluster.v3 import cluster_pb2

from controlplane.base.errors import Conflict, NotFound, Problem, Refused
from controlplane.base.group import Group, Selector
from controlplane.base.resource import DEFAULT_GROUP, GroupName, Resource, ResourceSet, Revision
from controlplane.base.type_url import CLUSTER
from controlplane.build.preflight import Checked, Document, EncodedResource
from controlplane.delivery.status import ProxyStatus
from controlplane.revisions.configuration import ResourceKey
from controlplane.revisions.history import History
from controlplane.service.events import Broadcast
from controlplane.service.management import Edit, Management, Terms
from controlplane.service.selection import Selection
from controlplane.store.contract import Store
from controlplane.store.sqlite import SqliteStore
from tests.support.waiting import wait_until_async

EDGE = GroupName("edge")


class RecordingDelivery:
    """Remembers what was published, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, frozenset[str]] | str] = []

    def publish(self, group: GroupName, resources: ResourceSet) -> None:
        names = frozenset(name for by_name in resources.by_type.values() for name in by_name)
        self.calls.append((group, resources.revision, names))

    def reselect(self) -> None:
        self.calls.append("reselect")

    def proxies(self) -> Sequence[ProxyStatus]:
        return ()


def check(documents: Sequence[Document], encoded: Sequence[EncodedResource]) -> Checked:
    """Each word of a document is a cluster's name; `bad` is refused."""
    names = [name for document in documents for name in document.text.split()]
    bodies = {name: cluster_pb2.Cluster(name=name).SerializeToString() for name in names}
    problems = tuple(Problem("is bad", resource=name) for name in names if name == "bad")
    return Checked(tuple(Resource.of(CLUSTER, name, body) for name, body in bodies.items()), problems)


def management(store: Store, delivery: RecordingDelivery) -> Management:
    return Management(History(store), delivery, Selection(), check, Broadcast(), lambda: 1000.0)


def edit(words: str, **fields: object) -> Edit:
    return Edit(documents=(Document(words, "test"),), **fields)  # type: ignore[arg-type]  # the fields of Edit


def with_store(directory: Path, test: Callable[[Store], Awaitable[None]]) -> None:
    async def body() -> None:
        store = await SqliteStore.open(directory / "store.sqlite")
        try:
            await test(store)
        finally:
            await store.close()

    asyncio.run(body())


def test_nothing_is_published_before_there_is_a_revision_and_all_of_it_at_the_next_start(tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        first = RecordingDelivery()
        service = management(store, first)
        await service.start()
        assert first.calls == []
        await service.apply(edit("a b"), Terms())
        second = RecordingDelivery()
        await management(store, second).start()
        assert second.calls == [("default", 1, frozenset("ab")), "reselect"]

    with_store(tmp_path, test)


def test_resources_of_a_new_group_are_published_before_proxies_move_there(tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        delivery = RecordingDelivery()
        service = management(store, delivery)
        await service.start()
        await service.apply(edit("a"), Terms())
        delivery.calls.clear()
        group = Group(EDGE, (Selector(node_ids=("e",)),))
        await service.apply(edit("b", group=EDGE, groups=(group,)), Terms())
        assert delivery.calls == [("default", 2, frozenset("a")), ("edge", 2, frozenset("ab")), "reselect"]
        delivery.calls.clear()
        await service.apply(edit("c"), Terms())
        assert delivery.calls == [("default", 3, frozenset("ac")), ("edge", 3, frozenset("abc"))]

    with_store(tmp_path, test)


def test_what_is_refused_conflicts_or_only_tried_is_not_published(tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        delivery = RecordingDelivery()
        service = management(store, delivery)
        await service.start()
        with pytest.raises(Refused):
            await service.apply(edit("a bad"), Terms())
        with pytest.raises(Conflict):
            await service.apply(edit("a"), Terms(expected=Revision(5)))
        with pytest.raises(NotFound):
            await service.apply(Edit(deletes=frozenset([ResourceKey(DEFAULT_GROUP, CLUSTER, "x")])), Terms())
        assert (await service.apply(edit("a"), Terms(dry_run=True))).info.revision == 0
        assert delivery.calls == []
        assert service.newest.info.revision == 0

    with_store(tmp_path, test)


def test_two_control_planes_on_one_store_make_one_history_and_publish_each_others_revisions(tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        deliveries = [RecordingDelivery(), RecordingDelivery()]
        services = [management(store, delivery) for delivery in deliveries]
        for service in services:
            await service.start()
        following = [asyncio.create_task(service.follow()) for service in services]
        outcomes = await asyncio.gather(*(services[n % 2].apply(edit(f"c{n}"), Terms()) for n in range(10)))
        assert sorted(outcome.info.revision for outcome in outcomes) == list(range(1, 11))
        for service in services:
            await wait_until_async(lambda service=service: service.newest.info.revision == 10, "both know the last revision")  # type: ignore[misc]
        everything = ("default", 10, frozenset(f"c{n}" for n in range(10)))
        assert [delivery.calls[-1] for delivery in deliveries] == [everything, everything]
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)

    with_store(tmp_path, test)


def test_following_survives_a_compaction_of_the_store(tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        writer, delivery = management(store, RecordingDelivery()), RecordingDelivery()
        reader = management(store, delivery)
        await writer.start()
        await writer.apply(edit("a"), Terms())
        await reader.start()
        await writer.apply(edit("b"), Terms())
        await writer.apply(edit("c"), Terms())
        await store.compact((await store.transact((), ())).revision)
        following = asyncio.create_task(reader.follow())
        await wait_until_async(lambda: reader.newest.info.revision == 3, "the reader caught up")
        await writer.apply(edit("d"), Terms())
        await wait_until_async(lambda: reader.newest.info.revision == 4, "and follows on")
        assert delivery.calls[-1] == ("default", 4, frozenset("abcd"))
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)

    with_store(tmp_path, test)


def test_a_caller_that_goes_away_leaves_nothing_half_done(tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        delivery = RecordingDelivery()
        service = management(store, delivery)
        await service.start()
        for moment in range(12):
            call = asyncio.create_task(service.apply(edit(f"c{moment}"), Terms()))
            for _ in range(moment):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        await service.apply(edit("last"), Terms())
        published = delivery.calls[-1]
        assert published[1] == service.newest.info.revision
        assert published[2] == {key.name for key in service.newest.configuration.resources}
        stored = await History(store).load()
        assert stored == service.newest

    with_store(tmp_path, test)


def test_a_roll_back_says_what_it_restores_and_to_the_present_changes_nothing(tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        service = management(store, RecordingDelivery())
        await service.start()
        await service.apply(edit("a"), Terms())
        await service.apply(edit("b"), Terms())
        outcome = await service.roll_back(Revision(1), Terms(author="me"))
        assert (outcome.info.revision, outcome.info.restores, outcome.info.message) == (3, 1, "roll back to revision 1")
        assert (outcome.info.author, outcome.info.created, outcome.info.removed) == ("me", 1000.0, 1)
        assert (await service.roll_back(Revision(1), Terms())).unchanged
        emptied = await service.roll_back(Revision(0), Terms())
        assert (emptied.info.revision, emptied.info.removed) == (4, 1)

    with_store(tmp_path, test)
