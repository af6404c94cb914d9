"""A listener manager over real loopback sockets, and the snapshots it follows; every connection is served by an echo."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

import uvloop

from dataplane.api.network_filter import DownstreamConnection, ServerContext
from dataplane.base.address import Address, PipeAddress, SocketAddress
from dataplane.base.deadlines import DeadlineWheel
from dataplane.listener.connection_limit import ConnectionLimit
from dataplane.listener.manager import ListenerManager
from dataplane.observe.stats import StatsStore
from dataplane.snapshot.listener import FilterChain, Listener
from dataplane.snapshot.snapshot import EMPTY, Holder, Snapshot
from tests.support.waiting import wait_until_async

ANY_PORT = SocketAddress("127.0.0.1", 0)


class Echo:
    """A network filter that answers with its name, and remembers what it was told."""

    def __init__(self, name: bytes, connection: DownstreamConnection) -> None:
        self.name = name
        self.connection = connection
        self.drained = False
        self.closed: str | None = None

    def on_data(self, data: bytes) -> None:
        self.connection.write(self.name + b":" + data)

    def on_end(self) -> None:
        self.connection.close("")

    def on_close(self, error: str) -> None:
        self.closed = error

    def on_write_blocked(self) -> None: ...

    def on_write_ready(self) -> None: ...

    def on_drain(self) -> None:
        self.drained = True

    def on_times_changed(self) -> None: ...

    def holding(self) -> Iterable[tuple[int, Callable[[], None]]]:
        return ()

    def close_if_idle(self) -> None:
        self.connection.close("idle")


class EchoFactory:
    def __init__(self, name: bytes) -> None:
        self.name = name
        self.made: list[Echo] = []

    def create(self, connection: DownstreamConnection) -> Echo:
        self.made.append(Echo(self.name, connection))
        return self.made[-1]


def listener(name: str, factory: EchoFactory, address: Address = ANY_PORT, **settings: Any) -> Listener:
    return Listener(name, address, (FilterChain("", (factory,), key=factory.name),), **settings)


class World:
    """A manager and the snapshots it follows."""

    def __init__(self, drain_time: float = 60.0, limit: int | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.stats = StatsStore()
        self.deadlines = DeadlineWheel(loop.time, loop.call_at)
        server = ServerContext(Holder(), cast("Any", {}), self.stats, self.deadlines, loop, clock=loop.time)
        connections = None if limit is None else ConnectionLimit(limit, self.stats)
        self.manager = ListenerManager(server, drain_time, limit=connections)
        self.current = EMPTY
        self._writers: list[asyncio.StreamWriter] = []

    async def publish(self, *listeners: Listener) -> dict[str, OSError]:
        wanted = {each.name: each for each in listeners}
        failed = self.manager.bind(wanted)
        kept = {name: self.current.listeners.get(name) if name in failed else each for name, each in wanted.items()}
        new = Snapshot(self.current.generation + 1, {name: each for name, each in kept.items() if each is not None}, {}, {}, {})
        await self.manager.apply(self.current, new)
        self.current = new
        return failed

    def address(self, name: str) -> SocketAddress:
        (found,) = [status.addresses[0] for status in self.manager.status if status.name == name]
        assert isinstance(found, SocketAddress)
        return found

    async def connect(self, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await self.open(self.address(name))

    async def open(self, address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(address, PipeAddress):
            streams = await asyncio.open_unix_connection(address.path)
        else:
            streams = await asyncio.open_connection(address.host, address.port)
        self._writers.append(streams[1])
        return streams

    async def close(self) -> None:
        self.manager.stop()
        for writer in self._writers:
            writer.transport.abort()
        await wait_until_async(lambda: self.manager.connections == 0, "every connection is gone")

    def value(self, name: str) -> int:
        found = self.stats.counters.get(name) or self.stats.gauges[name]
        return int(found.value)


async def ask(streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], data: bytes = b"x") -> bytes:
    streams[1].write(data)
    return await streams[0].readexactly(len(data) + 2)


def run(scenario: Callable[[World], Awaitable[None]], drain_time: float = 60.0, limit: int | None = None) -> None:
    async def main() -> None:
        world = World(drain_time, limit)
        try:
            await scenario(world)
        finally:
            await world.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
