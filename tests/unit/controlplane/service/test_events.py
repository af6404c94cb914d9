"""Events reach every listener; one that does not read is cut off."""

from __future__ import annotations

import asyncio

from controlplane.service.events import BACKLOG, Broadcast, Event


def test_every_listener_gets_what_happens_while_it_listens() -> None:
    async def body() -> None:
        broadcast = Broadcast()
        broadcast.send(Event(0.0, "revision", 1))
        with broadcast.listening() as one, broadcast.listening() as other:
            broadcast.send(Event(0.0, "revision", 2))
            assert ((await anext(one)).revision, (await anext(other)).revision) == (2, 2)
            broadcast.send(Event(0.0, "revision", 3))
            broadcast.close()
            assert [event.revision async for event in one] == [3]

    asyncio.run(body())


def test_a_listener_that_does_not_read_is_cut_off_and_the_others_are_not() -> None:
    async def body() -> None:
        broadcast = Broadcast()
        with broadcast.listening() as idle, broadcast.listening() as busy:
            for number in range(BACKLOG + 2):
                broadcast.send(Event(0.0, "revision", number))
                assert (await anext(busy)).revision == number
            assert len([event async for event in idle]) == BACKLOG

    asyncio.run(body())
