"""A proxy with several workers in front of one origin, and clients that keep their connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import bootstraps
from tests.support.load import read_answer
from tests.support.origin import Origin
from tests.support.our_process import our_process
from tests.support.proxy_process import ProxyProcess

REQUEST = b"GET / HTTP/1.1\r\nhost: workers.test\r\n\r\n"


@dataclass(slots=True)
class World:
    """A proxy in front of one origin, and the clients that came."""

    proxy: ProxyProcess
    origin: Origin
    port: int
    clients: list[Client] = field(default_factory=list)

    async def client(self) -> Client:
        made = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(made)
        return made

    async def stats(self, pattern: str = "") -> dict[str, int]:
        return await asyncio.to_thread(self.proxy.admin.stats, pattern)


@dataclass(slots=True)
class Client:
    """A connection that is kept."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, times: int = 1) -> list[int]:
        """The statuses of so many requests, one after the other."""
        found = []
        for _ in range(times):
            self.writer.write(REQUEST)
            found.append((await read_answer(self.reader)).status)
        return found

    async def is_served(self) -> bool:
        """Whether a request is answered; a connection that is one too many ends without a word."""
        try:
            return await self.ask() == [200]
        except (asyncio.IncompleteReadError, ConnectionError):
            return False


@asynccontextmanager
async def workers(
    directory: Path,
    count: int,
    *,
    filters: tuple[object, ...] = (),
    more: dict[str, Any] | None = None,
    second: Origin | None = None,
    listener: dict[str, Any] | None = None,
    **cluster: Any,
) -> AsyncIterator[World]:
    """filters: before the connection manager.  more: of the bootstrap.  second: another host of the cluster.

    listener: more of the listener.
    """
    async with Origin("blue") as origin:
        edge = bootstraps.http_listener("edge", [{"match": {"prefix": "/"}, "route": {"cluster": "app"}}]) | (listener or {})
        chain = edge["filter_chains"][0]
        chain["filters"] = [*filters, *chain["filters"]]
        ports = [origin.port] if second is None else [origin.port, second.port]
        bootstrap = bootstraps.static([edge], [bootstraps.static_cluster("app", *ports, **cluster)]) | (more or {})
        proxy = our_process(bootstrap, directory, "--concurrency", str(count))
        await asyncio.to_thread(proxy.start)
        try:
            bound = await asyncio.to_thread(proxy.wait_listeners, ["edge"])
            world = World(proxy, origin, bound["edge"])
            try:
                yield world
            finally:
                for client in world.clients:
                    client.writer.close()
        finally:
            await asyncio.to_thread(proxy.kill)


async def clients_of_two_workers(world: World) -> tuple[Client, Client]:
    """A connection to each of two workers."""
    found: dict[int, Client] = {}
    while len(found) < 2:
        before = await _taken(world)
        client = await world.client()
        assert await client.is_served()
        after = await _taken(world)
        (worker,) = (number for number in range(2) if after[number] > before[number])
        found.setdefault(worker, client)
    return found[0], found[1]


async def _taken(world: World) -> list[int]:
    """How many connections each of two workers has taken."""
    stats = await world.stats("downstream_cx_total")
    return [stats.get(f"listener.127.0.0.1_0.worker_{number}.downstream_cx_total", 0) for number in range(2)]
