"""Revisions in a store: appended, read back, listed, followed; two writers on one store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from controlplane.base.errors import Conflict, NotFound
from controlplane.base.group import Group, Selector
from controlplane.base.resource import DEFAULT_GROUP, GroupName, Resource, Revision
from controlplane.base.type_url import CLUSTER
from controlplane.revisions.configuration import Change, Configuration, ResourceKey, changed
from controlplane.revisions.history import PREFIX, History
from controlplane.revisions.record import Corrupt, RevisionInfo
from controlplane.store.contract import KeyRange, Put
from controlplane.store.sqlite import SqliteStore


def info(number: int, message: str = "") -> RevisionInfo:
    return RevisionInfo(Revision(number), "author", message, 1000.0 + number)


def cluster(name: str, body: bytes) -> Change:
    return Change(puts={ResourceKey(DEFAULT_GROUP, CLUSTER, name): Resource.of(CLUSTER, name, body)})


def grown(current: Configuration, count: int) -> Configuration:
    for n in range(count):
        current = changed(current, cluster(f"c{n}", b"%d" % n))
    return current


def with_store(path: Path, test: Callable[[SqliteStore], Awaitable[None]]) -> None:
    async def body() -> None:
        store = await SqliteStore.open(path / "store.sqlite")
        try:
            await test(store)
        finally:
            await store.close()

    asyncio.run(body())


def test_what_was_appended_is_what_another_process_loads(tmp_path: Path) -> None:
    selectors = (Selector(("a", "b*"), ("c",), (("k.l", "v"),), "region", "zone", "sub"), Selector(zone="z"))
    group = Group(GroupName("edge"), selectors, priority=-3, inherits=False)

    async def test(store: SqliteStore) -> None:
        history = History(store)
        assert (await history.load()).configuration == Configuration()
        first = changed(grown(Configuration(), 200), Change(group_puts={group.name: group}))
        await history.append(info(1, "one"), first)
        second = changed(first, cluster("c7", b"changed"))
        await history.append(info(2, "two"), second)

        other = History(store)
        loaded = await other.load()
        assert (loaded.info, loaded.configuration) == (info(2, "two"), second)
        old = await other.read(Revision(1))
        assert (old.info, old.configuration) == (info(1, "one"), first)
        key = ResourceKey(DEFAULT_GROUP, CLUSTER, "c8")
        assert old.configuration.resources[key] is loaded.configuration.resources[key]
        assert (await other.read(Revision(0))).configuration == Configuration()
        with pytest.raises(NotFound, match="revision 3"):
            await other.read(Revision(3))

    with_store(tmp_path, test)


def test_a_change_writes_only_what_is_new(tmp_path: Path) -> None:
    async def contents(store: SqliteStore) -> int:
        return len((await store.read(KeyRange.of_prefix(PREFIX + b"content/"))).items)

    async def test(store: SqliteStore) -> None:
        history = History(store)
        first = grown(Configuration(), 300)
        await history.append(info(1), first)
        before = await contents(store)
        await history.append(info(2), changed(first, cluster("c7", b"changed")))
        assert await contents(store) == before + 2  # the body and the piece that names it
        await history.append(info(3), first)
        assert await contents(store) == before + 2

    with_store(tmp_path, test)


def test_revisions_are_listed_newest_first_in_pages(tmp_path: Path) -> None:
    async def test(store: SqliteStore) -> None:
        history = History(store)
        assert await history.infos(10) == []
        for number in range(1, 8):
            await history.append(info(number), grown(Configuration(), number))
        assert [each.revision for each in await history.infos(3)] == [7, 6, 5]
        assert [each.revision for each in await history.infos(3, before=Revision(5))] == [4, 3, 2]
        assert [each.revision for each in await history.infos(10, before=Revision(2))] == [1]
        assert await history.infos(10, before=Revision(1)) == []
        assert [each.revision for each in await history.infos(2, before=Revision(99))] == [7, 6]

    with_store(tmp_path, test)


def test_of_two_writers_the_slower_learns_it_and_catches_up(tmp_path: Path) -> None:
    async def test(store: SqliteStore) -> None:
        fast, slow = History(store), History(store)
        theirs = grown(Configuration(), 1)
        await fast.append(info(1, "fast"), theirs)
        with pytest.raises(Conflict):
            await slow.append(info(1, "slow"), grown(Configuration(), 2))
        assert (await slow.load()).info.message == "fast"
        await slow.append(info(2, "slow"), grown(theirs, 2))
        with pytest.raises(Conflict):
            await fast.append(info(2, "late"), Configuration())

    with_store(tmp_path, test)


def test_following_tells_of_revisions_by_others(tmp_path: Path) -> None:
    async def test(store: SqliteStore) -> None:
        writer, reader = History(store), History(store)
        await writer.append(info(1), grown(Configuration(), 1))
        await reader.load()
        upcoming = asyncio.ensure_future(anext(aiter(reader.follow())))
        await writer.append(info(2), grown(Configuration(), 2))
        assert await asyncio.wait_for(upcoming, 10) == 2

    with_store(tmp_path, test)


def test_a_damaged_store_is_noticed(tmp_path: Path) -> None:
    async def test(store: SqliteStore) -> None:
        await History(store).append(info(1), grown(Configuration(), 1))
        (content, *_) = (await store.read(KeyRange.of_prefix(PREFIX + b"content/"))).items
        await store.transact((), [Put(content.key, b"something else")])
        with pytest.raises(Corrupt, match="damaged"):
            await History(store).load()

    with_store(tmp_path, test)
