"""The minimal ADS server that many people write first: it sends routes *before* the clusters they name, and the new clusters
without the old ones, all at once, whatever the proxy has acknowledged.

State of the world, one stream per proxy, on `ManagementServer`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.management_server import ManagementServer, Stream
from tests.support.waiting import wait_until_async

PREFIX = "type.googleapis.com/"
LISTENER = PREFIX + "envoy.config.listener.v3.Listener"
CLUSTER = PREFIX + "envoy.config.cluster.v3.Cluster"
ROUTES = PREFIX + "envoy.config.route.v3.RouteConfiguration"
ENDPOINTS = PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"

# The wrong order, on purpose.
HASTY_ORDER = (ROUTES, CLUSTER, ENDPOINTS, LISTENER)


@dataclass(frozen=True, slots=True)
class Nack:
    """A rejection, as the proxy worded it."""

    type_url: str
    message: str


@dataclass(slots=True)
class _Client:
    stream: Stream
    asked: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Resource names by type, as last requested; empty means all."""
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """A stream takes one message at a time; a push and the answer to a request may meet."""


class HastyServer:
    """Use as an asynchronous context manager; `publish` replaces everything and pushes it at once."""

    def __init__(self) -> None:
        self._server = ManagementServer()
        self._clients: list[_Client] = []
        self._resources: dict[str, dict[str, Any]] = {}
        self._version = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.nacks: list[Nack] = []
        self.acked: dict[str, int] = {}
        """Newest acknowledged version by type, of any proxy."""

    @property
    def port(self) -> int:
        return self._server.port

    async def __aenter__(self) -> HastyServer:
        await self._server.start()
        self._spawn(self._accept())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.stop()
        assert all(isinstance(end, asyncio.CancelledError) for end in ends), f"the server itself failed: {ends}"

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)

    async def publish(self, messages: Sequence[Any]) -> int:
        """Make *messages* everything there is; returns the version."""
        self._version += 1
        self._resources = {type_url: {} for type_url in HASTY_ORDER}
        for message in messages:
            name = getattr(message, "name", "") or message.cluster_name
            self._resources[PREFIX + message.DESCRIPTOR.full_name][name] = message
        for client in self._clients:
            for type_url in HASTY_ORDER:
                if type_url in client.asked:
                    await self._send(client, type_url)
        return self._version

    async def nack_of(self, type_url: str) -> Nack:
        """The first rejection of this type since `nacks` was cleared; waits for it."""

        def found() -> Nack | None:
            return next((nack for nack in self.nacks if nack.type_url == type_url), None)

        nack = await wait_until_async(found, f"a NACK of {type_url}")
        assert nack is not None
        return nack

    async def _accept(self) -> None:
        while True:
            try:
                stream = await self._server.accept()
            except TimeoutError:
                continue
            client = _Client(stream)
            self._clients.append(client)
            self._spawn(self._serve(client))

    async def _serve(self, client: _Client) -> None:
        while True:
            try:
                request = await client.stream.receive()
            except TimeoutError:
                continue
            if request.HasField("error_detail"):
                self.nacks.append(Nack(request.type_url, request.error_detail.message))
            elif request.version_info:
                self.acked[request.type_url] = max(self.acked.get(request.type_url, 0), int(request.version_info))
            names = tuple(name for name in request.resource_names if name != "*")
            if client.asked.get(request.type_url) != names:
                client.asked[request.type_url] = names
                await self._send(client, request.type_url)

    async def _send(self, client: _Client, type_url: str) -> None:
        of_type = self._resources.get(type_url, {})
        names = client.asked[type_url] or tuple(of_type)
        found = [of_type[name] for name in names if name in of_type]
        if found or type_url in (LISTENER, CLUSTER):
            async with client.writing:
                await client.stream.send_sotw(type_url, str(self._version), found)
