"""Our discovery services on a loopback port, in a thread of their own, so that blocking tests can start proxies against them.

Upstreams for those proxies live in the same thread.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, TypeVar

import grpc.aio
from google.protobuf.message import Message

from controlplane.base.resource import DEFAULT_GROUP, GroupName, Resource, ResourceSet, Revision
from controlplane.delivery.events import EventReader
from controlplane.delivery.hub import Hub
from controlplane.delivery.order import Patience
from controlplane.delivery.status import NodeFacts, ProxyEvent, ProxyStatus, TypeStatus
from controlplane.xds.ads_service import SERVER_OPTIONS, add_xds_services
from tests.support.origin import Origin
from tests.support.waiting import PATIENCE

T = TypeVar("T")


def name_of(message: Any) -> str:
    """The name under which xDS knows a resource."""
    return str(getattr(message, "name", "") or getattr(message, "cluster_name", ""))


def resource_of(message: Message) -> Resource:
    type_url = "type.googleapis.com/" + message.DESCRIPTOR.full_name
    return Resource.of(type_url, name_of(message), message.SerializeToString(deterministic=True))


def resource_set(revision: int, messages: Iterable[Message]) -> ResourceSet:
    by_type: dict[str, dict[str, Resource]] = {}
    for message in messages:
        resource = resource_of(message)
        by_type.setdefault(resource.type_url, {})[resource.name] = resource
    return ResourceSet(Revision(revision), by_type)


class DiscoveryServer:
    """A hub and its gRPC server.  `port` is known after `start`; a server may be stopped and another started on the same port."""

    def __init__(self, port: int = 0, patience: Patience | None = None) -> None:
        self.port = port
        self._patience = patience
        self.hub = Hub(self._select, time.time, patience)
        self._groups: dict[str, GroupName] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="discovery server")
        self._server: grpc.aio.Server | None = None
        self._reader: EventReader | None = None
        self._origins: list[Origin] = []
        self.events: list[ProxyEvent] = []

    def __enter__(self) -> DiscoveryServer:
        self._thread.start()
        self._wait(asyncio.run_coroutine_threadsafe(self._start(), self._loop))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._wait(asyncio.run_coroutine_threadsafe(self._stop(), self._loop))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def restart(self) -> None:
        """A new hub on the same port that knows nothing of its predecessor, as after a crash."""
        self._wait(asyncio.run_coroutine_threadsafe(self._stop_serving(), self._loop))
        self.hub = Hub(self._select, time.time, self._patience)
        self._wait(asyncio.run_coroutine_threadsafe(self._start(), self._loop))

    def origin(self, name: str) -> Origin:
        """An upstream that answers with its name, until the server stops."""
        origin = Origin(name)
        self._origins.append(origin)
        return self._wait(asyncio.run_coroutine_threadsafe(origin.__aenter__(), self._loop))

    def publish(self, revision: int, *messages: Message, group: GroupName = DEFAULT_GROUP) -> None:
        resources = resource_set(revision, messages)
        self._call(lambda: self.hub.publish(group, resources))

    def assign(self, node_id: str, group: GroupName) -> None:
        """Put a node into a group, and let the hub find out."""
        self._groups[node_id] = group
        self._call(self.hub.reselect)

    def proxies(self) -> tuple[ProxyStatus, ...]:
        return self._call(self.hub.proxies)

    def proxy(self, node_id: str) -> ProxyStatus | None:
        """The connected proxy of that id."""
        found = [status for status in self.proxies() if status.node.node_id == node_id and status.disconnected_at is None]
        return found[0] if found else None

    def type_status(self, node_id: str, type_url: str) -> TypeStatus | None:
        proxy = self.proxy(node_id)
        found = [] if proxy is None else [status for status in proxy.types if status.type_url == type_url]
        return found[0] if found else None

    def ready(self, node_id: str, revision: int) -> bool:
        proxy = self.proxy(node_id)
        return proxy is not None and proxy.ready_revision >= revision

    def _select(self, node: NodeFacts) -> GroupName:
        return self._groups.get(node.node_id, DEFAULT_GROUP)

    async def _start(self) -> None:
        self._server = grpc.aio.server(options=SERVER_OPTIONS)
        add_xds_services(self._server, self.hub)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._reader = self.hub.subscribe_events()
        self._collector = asyncio.create_task(self._collect(self._reader))
        await self._server.start()

    async def _stop(self) -> None:
        await self._stop_serving()
        for origin in self._origins:
            await origin.__aexit__()

    async def _stop_serving(self) -> None:
        assert self._server is not None
        await self._server.stop(None)
        self._collector.cancel()
        await asyncio.gather(self._collector, return_exceptions=True)

    async def _collect(self, reader: EventReader) -> None:
        async for event in reader:
            self.events.append(event)

    def _call(self, function: Callable[[], T]) -> T:
        async def run() -> T:
            return function()

        return self._wait(asyncio.run_coroutine_threadsafe(run(), self._loop))

    def _wait(self, future: Future[T]) -> T:
        return future.result(PATIENCE)
