"""Several readers, none of which can hold up or flood the others."""

from __future__ import annotations

import asyncio

from controlplane.delivery.events import EventReader, Feed
from controlplane.delivery.status import EventKind, ProxyEvent


def event(number: int) -> ProxyEvent:
    return ProxyEvent(EventKind.ACKED, float(number), proxy_id=number)


async def take(reader: EventReader, count: int) -> list[int]:
    return [(await anext(reader)).proxy_id for _ in range(count)]


def test_every_reader_gets_what_happens_after_it_came() -> None:
    async def scenario() -> None:
        feed = Feed()
        assert not feed.wanted
        early = feed.subscribe()
        feed.put(event(1))
        late = feed.subscribe()
        feed.put(event(2))
        assert feed.wanted
        assert await take(early, 2) == [1, 2]
        assert await take(late, 1) == [2]

    asyncio.run(scenario())


def test_a_reader_waits_for_the_next_event() -> None:
    async def scenario() -> None:
        feed = Feed()
        reader = feed.subscribe()
        first = asyncio.ensure_future(anext(reader))
        await asyncio.sleep(0)
        assert not first.done()
        feed.put(event(1))
        assert (await first).proxy_id == 1
        found = []
        feed.put(event(2))
        async for each in reader:
            found.append(each.proxy_id)
            break
        assert found == [2]

    asyncio.run(scenario())


def test_a_slow_reader_loses_the_oldest_and_is_told() -> None:
    async def scenario() -> None:
        feed = Feed()
        slow = feed.subscribe(limit=2)
        for number in range(1, 5):
            feed.put(event(number))
        kinds = [await anext(slow) for _ in range(3)]
        assert [(each.kind, each.proxy_id) for each in kinds] == [
            (EventKind.LOST, 0),
            (EventKind.ACKED, 3),
            (EventKind.ACKED, 4),
        ]

    asyncio.run(scenario())


def test_a_reader_that_is_dropped_is_gone() -> None:
    feed = Feed()
    reader = feed.subscribe()
    assert feed.wanted
    del reader
    assert not feed.wanted
