"""Two that accept on one socket, as two workers do."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine

from dataplane.base.turns import Place, Turns
from dataplane.listener.balanced_accepting import BalancedAccepting
from tests.support.waiting import wait_until_async


class Held(asyncio.Protocol):
    """A connection that counts until it ends."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._worker.transports.append(transport)
        self._worker.turns.add(1)

    def connection_lost(self, exc: Exception | None) -> None:
        self._worker.transports.remove(self._transport)
        self._worker.turns.add(-1)


class Worker:
    """One of those that accept."""

    def __init__(self, world: World, number: int) -> None:
        self.turns = Turns(world.cells, [Place(0, 1, 4), Place(2, 3, 5)], number)
        self.transports: list[asyncio.Transport] = []
        self.accepting = BalancedAccepting(asyncio.get_running_loop(), world.listening.dup(), 64, lambda: Held(self), self.turns)


class World:
    def __init__(self, workers: int) -> None:
        self.cells: memoryview[int] = memoryview(bytearray(48)).cast("q")
        self.listening = socket.socket()
        self.listening.bind(("127.0.0.1", 0))
        self.listening.listen(64)
        self.listening.setblocking(False)
        self.workers = [Worker(self, number) for number in range(workers)]
        self.clients: list[socket.socket] = []
        self._beating = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        while True:
            for number in range(len(self.workers)):
                self.cells[4 + number] += 1
            await asyncio.sleep(0.01)

    @property
    def counted(self) -> list[int]:
        """Of each worker, connections it has and had."""
        return list(self.cells[:4])

    async def connect(self, count: int) -> None:
        """Returns when all were accepted."""
        wanted = self.total + count
        for _ in range(count):
            client = socket.create_connection(self.listening.getsockname())
            self.clients.append(client)
        await wait_until_async(lambda: self.total == wanted, "all accepted")

    @property
    def total(self) -> int:
        return sum(len(worker.transports) for worker in self.workers)

    @property
    def shares(self) -> list[int]:
        return [len(worker.transports) for worker in self.workers]

    async def stop(self) -> None:
        self._beating.cancel()
        for worker in self.workers:
            worker.accepting.close()
            for transport in worker.transports:
                transport.abort()
        for client in self.clients:
            client.close()
        self.listening.close()
        await wait_until_async(lambda: not self.total, "all closed")


def run(scenario: Callable[[World], Coroutine[object, object, None]], workers: int = 2) -> None:
    async def main() -> None:
        world = World(workers)
        try:
            await scenario(world)
        finally:
            await world.stop()

    asyncio.run(main())


def test_a_burst_is_shared_evenly() -> None:
    async def scenario(world: World) -> None:
        await world.connect(20)
        assert world.shares == [10, 10]
        assert world.counted == [10, 10, 10, 10]

    run(scenario)


def test_who_has_lost_connections_gets_the_next() -> None:
    async def scenario(world: World) -> None:
        await world.connect(8)
        for transport in list(world.workers[1].transports[:3]):
            transport.abort()
        await wait_until_async(lambda: world.shares == [4, 1], "three gone")
        await world.connect(3)
        assert world.shares == [4, 4]

    run(scenario)


def test_one_that_stands_still_is_soon_waited_for_no_more() -> None:
    """Its cells say that it has no connections, and it accepts none."""

    async def scenario(world: World) -> None:
        begun = asyncio.get_running_loop().time()
        await world.connect(50)
        assert world.counted == [50, 50, 0, 0]
        assert asyncio.get_running_loop().time() - begun < 3.0  # for each of them 0.1 s would be 5

    run(scenario, workers=1)
