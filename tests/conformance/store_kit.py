"""What every store must do, whatever it is made of.  A test module subclasses `StoreConformance` and says how to open one.

Spec: controlplane/store/contract.py, which follows etcd's documented guarantees.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from controlplane.store.contract import (
    MAX_OPERATIONS,
    Compacted,
    Compare,
    Delete,
    DeleteEvent,
    FutureRevision,
    KeyRange,
    Put,
    PutEvent,
    Store,
    StoreClosed,
    WatchBatch,
)

EVERYTHING = KeyRange.of_prefix(b"")


async def put(store: Store, **values: str) -> int:
    result = await store.transact((), [Put(key.encode(), value.encode()) for key, value in values.items()])
    return result.revision


async def keys_of(store: Store, keys: KeyRange = EVERYTHING, revision: int = 0, limit: int = 0) -> list[tuple[bytes, bytes]]:
    found = await store.read(keys, revision=revision, limit=limit)
    return [(item.key, item.value) for item in found.items]


async def following(batches: AsyncIterator[WatchBatch], count: int) -> list[WatchBatch]:
    return [await asyncio.wait_for(anext(batches), 10) for _ in range(count)]


class StoreConformance(ABC):
    @abstractmethod
    def opened(self) -> AbstractAsyncContextManager[Store]:
        """A new, empty store, closed on exit."""

    def run(self, test: Callable[[Store], Awaitable[None]]) -> None:
        async def body() -> None:
            async with self.opened() as store:
                await test(store)

        asyncio.run(body())

    def test_an_empty_store_is_at_revision_0(self) -> None:
        async def test(store: Store) -> None:
            found = await store.read(EVERYTHING)
            assert (found.revision, found.items) == (0, ())

        self.run(test)

    def test_each_writing_transaction_takes_the_next_revision(self) -> None:
        async def test(store: Store) -> None:
            assert await put(store, a="1", b="1") == 1
            assert await put(store, a="2") == 2
            a, b = (await store.read(EVERYTHING)).items
            assert (a.value, a.create_revision, a.mod_revision, a.version) == (b"2", 1, 2, 2)
            assert (b.value, b.create_revision, b.mod_revision, b.version) == (b"1", 1, 1, 1)

        self.run(test)

    def test_a_transaction_that_changes_nothing_takes_no_revision(self) -> None:
        async def test(store: Store) -> None:
            await put(store, a="1")
            assert (await store.transact((), [Delete(b"missing")])).revision == 1
            assert (await store.transact([Compare(b"a", 1)], ())).revision == 1

        self.run(test)

    def test_putting_the_same_value_is_a_write(self) -> None:
        async def test(store: Store) -> None:
            await put(store, a="1")
            assert await put(store, a="1") == 2

        self.run(test)

    def test_a_range_is_ordered_by_bytes_and_can_be_limited(self) -> None:
        async def test(store: Store) -> None:
            await store.transact((), [Put(key, b"") for key in (b"p/b", b"p/\xff", b"p/a", b"q", b"o")])
            prefix = KeyRange.of_prefix(b"p/")
            assert [key for key, _ in await keys_of(store, prefix)] == [b"p/a", b"p/b", b"p/\xff"]
            assert [key for key, _ in await keys_of(store, prefix, limit=2)] == [b"p/a", b"p/b"]
            assert [key for key, _ in await keys_of(store, KeyRange.of_key(b"q"))] == [b"q"]
            assert [key for key, _ in await keys_of(store, KeyRange(b"p/b", b"q"))] == [b"p/b", b"p/\xff"]

        self.run(test)

    def test_history_can_be_read(self) -> None:
        async def test(store: Store) -> None:
            await put(store, a="1")
            await put(store, a="2", b="1")
            await store.transact((), [Delete(b"a")])
            assert await keys_of(store, revision=1) == [(b"a", b"1")]
            assert await keys_of(store, revision=2) == [(b"a", b"2"), (b"b", b"1")]
            assert await keys_of(store) == [(b"b", b"1")]
            assert (await store.read(EVERYTHING, revision=1)).revision == 3

        self.run(test)

    def test_the_future_cannot_be_read(self) -> None:
        async def test(store: Store) -> None:
            with pytest.raises(FutureRevision):
                await store.read(EVERYTHING, revision=1)

        self.run(test)

    def test_a_deleted_key_starts_anew(self) -> None:
        async def test(store: Store) -> None:
            await put(store, a="1")
            await store.transact((), [Delete(b"a")])
            await put(store, a="2")
            (a,) = (await store.read(EVERYTHING)).items
            assert (a.create_revision, a.version) == (3, 1)

        self.run(test)

    def test_comparing_guards_a_write(self) -> None:
        async def test(store: Store) -> None:
            absent = Compare(b"a", 0)
            assert (await store.transact([absent], [Put(b"a", b"mine")])).succeeded
            refused = await store.transact([absent], [Put(b"a", b"yours"), Put(b"b", b"yours")])
            assert (refused.succeeded, refused.revision) == (False, 1)
            assert await keys_of(store) == [(b"a", b"mine")]
            assert (await store.transact([Compare(b"a", 1)], [Delete(b"a")])).succeeded
            assert (await store.transact([absent], [Put(b"a", b"again")])).succeeded

        self.run(test)

    def test_of_concurrent_writers_exactly_one_wins(self) -> None:
        async def test(store: Store) -> None:
            attempts = [store.transact([Compare(b"head", 0)], [Put(b"head", bytes([n]))]) for n in range(8)]
            results = await asyncio.gather(*attempts)
            assert sorted(result.succeeded for result in results) == [False] * 7 + [True]

        self.run(test)

    def test_a_key_may_be_written_once_in_a_transaction(self) -> None:
        async def test(store: Store) -> None:
            with pytest.raises(ValueError, match="twice"):
                await store.transact((), [Put(b"a", b"1"), Delete(b"a")])
            with pytest.raises(ValueError, match="more than"):
                await store.transact((), [Put(b"%d" % n, b"") for n in range(MAX_OPERATIONS + 1)])
            assert await keys_of(store) == []

        self.run(test)

    def test_a_watch_gives_history_then_live_changes_in_order(self) -> None:
        async def test(store: Store) -> None:
            await put(store, a="1")
            await put(store, a="2", b="1", other="x")
            batches = aiter(store.watch(KeyRange(b"a", b"c"), 1))
            first, second = await following(batches, 2)
            assert [event.item.value for event in first.events if isinstance(event, PutEvent)] == [b"1"]
            assert (second.revision, len(second.events)) == (2, 2)
            upcoming = asyncio.ensure_future(anext(batches))
            await put(store, other="y")
            await store.transact((), [Delete(b"a")])
            assert await asyncio.wait_for(upcoming, 10) == WatchBatch(4, (DeleteEvent(b"a", 4),))

        self.run(test)

    def test_a_watch_may_start_in_the_future(self) -> None:
        async def test(store: Store) -> None:
            batches = aiter(store.watch(EVERYTHING, 2))
            upcoming = asyncio.ensure_future(anext(batches))
            await put(store, a="1")
            await put(store, a="2")
            assert (await asyncio.wait_for(upcoming, 10)).revision == 2

        self.run(test)

    def test_watches_are_independent_and_see_every_revision(self) -> None:
        async def test(store: Store) -> None:
            watches = [aiter(store.watch(EVERYTHING, 1)) for _ in range(3)]
            readers = [asyncio.ensure_future(following(watch, 20)) for watch in watches]
            for n in range(20):
                await put(store, a=str(n))
            for seen in await asyncio.gather(*readers):
                assert [batch.revision for batch in seen] == list(range(1, 21))

        self.run(test)

    def test_compaction_forgets_the_past_and_nothing_else(self) -> None:
        async def test(store: Store) -> None:
            await put(store, a="1", kept="1")
            await put(store, a="2", gone="1")
            await store.transact((), [Delete(b"gone")])
            await put(store, a="3")
            await store.compact(3)
            assert await keys_of(store, revision=3) == [(b"a", b"2"), (b"kept", b"1")]
            assert await keys_of(store) == [(b"a", b"3"), (b"kept", b"1")]
            with pytest.raises(Compacted) as refused:
                await store.read(EVERYTHING, revision=2)
            assert refused.value.revision == 3
            with pytest.raises(Compacted):
                await anext(aiter(store.watch(EVERYTHING, 2)))
            (batch,) = await following(aiter(store.watch(EVERYTHING, 4)), 1)
            assert batch.revision == 4

        self.run(test)

    def test_what_was_deleted_before_a_compaction_does_not_come_back(self) -> None:
        async def test(store: Store) -> None:
            await put(store, a="1", gone="1")
            await put(store, gone="2")
            await store.transact((), [Delete(b"gone")])
            await put(store, a="2")
            await store.compact(4)
            assert await keys_of(store) == await keys_of(store, revision=4) == [(b"a", b"2")]
            assert (await store.transact([Compare(b"gone", 0)], [Put(b"gone", b"3")])).succeeded
            assert (await store.read(KeyRange.of_key(b"gone"))).items[0].version == 1

        self.run(test)

    def test_compaction_refuses_the_future_and_the_past(self) -> None:
        async def test(store: Store) -> None:
            await put(store, a="1")
            await put(store, a="2")
            with pytest.raises(FutureRevision):
                await store.compact(3)
            await store.compact(2)
            with pytest.raises(Compacted):
                await store.compact(1)

        self.run(test)

    def test_closing_ends_watches_and_refuses_further_use(self) -> None:
        async def test(store: Store) -> None:
            upcoming = asyncio.ensure_future(anext(aiter(store.watch(EVERYTHING, 1))))
            await put(store, other="1")
            assert (await asyncio.wait_for(upcoming, 10)).revision == 1
            waiting = asyncio.ensure_future(anext(aiter(store.watch(EVERYTHING, 2))))
            await asyncio.gather(store.read(EVERYTHING))
            await store.close()
            await store.close()
            with pytest.raises(StoreClosed):
                await asyncio.wait_for(waiting, 10)
            with pytest.raises(StoreClosed):
                await store.read(EVERYTHING)

        self.run(test)
