"""The composition root: store → history → service → delivery → ports.

Here: what is connected to what, and in which order it starts and stops.  Not here: any behaviour of the parts.
Order that must hold: the newest revision is published before the xDS port opens (a restarted control plane never sends an emptier
world than it sent before), and the API port opens last, so that a healthy answer means that everything works.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

import grpc
from aiohttp import web

from controlplane.admin.operations import Operations
from controlplane.admin.rest import MAX_BODY_BYTES, application
from controlplane.admin.rpc import add_management
from controlplane.admin.token import Token, is_loopback, require_safe
from controlplane.build import messages, preflight
from controlplane.delivery.hub import Hub
from controlplane.revisions.history import History
from controlplane.server.options import ListenAddress, Options
from controlplane.service.events import Broadcast, Event
from controlplane.service.management import Management
from controlplane.service.selection import Selection
from controlplane.store.sqlite import SqliteStore
from controlplane.xds.ads_service import SERVER_OPTIONS, add_xds_services

log = logging.getLogger("main")

# How long calls under way may take at shutdown.  xDS streams never end by themselves, so they always use it up: keep it short.
GRACE_SECONDS = 1.0


class CannotListen(Exception):
    """An address is taken or not ours."""


@dataclass(frozen=True, slots=True)
class Running:
    """A control plane that serves.  The addresses are those really bound."""

    api: ListenAddress
    grpc: ListenAddress
    xds: ListenAddress
    management: Management


@asynccontextmanager
async def running(options: Options) -> AsyncIterator[Running]:
    """Start everything; stop it in reverse order on exit.  Raises TokenError, StoreUnavailable, CannotListen before anything is served."""
    token = Token.from_file(options.token_file)
    for address in (options.api, options.grpc):
        require_safe(token, address.host, insecure=options.insecure)
    if not is_loopback(options.xds.host):
        log.warning("xDS listens on %s: whoever can connect there can read the configuration of every group", options.xds)
    async with AsyncExitStack() as stack:
        messages.load_all()
        store = await SqliteStore.open(options.store)
        stack.push_async_callback(store.close)
        selection, events = Selection(), Broadcast()
        hub = Hub(selection, time.time)
        management = Management(History(store), hub, selection, preflight.check, events, time.time)
        await management.start()
        await stack.enter_async_context(_in_background(management.follow(), "follow the store"))
        await stack.enter_async_context(_in_background(_relay(hub, events), "relay events of proxies"))
        operations = Operations(management)
        xds = await stack.enter_async_context(_xds_server(options.xds, hub))
        rpc = await stack.enter_async_context(_management_server(options.grpc, operations, token))
        app = application(management, operations, token, any_host=token.is_required or options.insecure)
        rest = await stack.enter_async_context(_rest_server(options.api, app))
        stack.callback(events.close)
        yield Running(rest, rpc, xds, management)


async def _relay(hub: Hub, events: Broadcast) -> None:
    async for event in hub.subscribe_events():
        events.send(Event.of_proxy(event))


@asynccontextmanager
async def _in_background(work: object, name: str) -> AsyncIterator[None]:
    assert asyncio.iscoroutine(work)
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_report)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("task %r failed", task.get_name(), exc_info=task.exception())


@asynccontextmanager
async def _xds_server(address: ListenAddress, hub: Hub) -> AsyncIterator[ListenAddress]:
    server = grpc.aio.server(options=SERVER_OPTIONS)
    add_xds_services(server, hub)
    async with _grpc_serving(server, address) as bound:
        yield bound


@asynccontextmanager
async def _management_server(address: ListenAddress, operations: Operations, token: Token) -> AsyncIterator[ListenAddress]:
    # A port of its own: proxies must reach xDS, but need no way to the port that changes configuration.
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", MAX_BODY_BYTES)])
    add_management(server, operations, token)
    async with _grpc_serving(server, address) as bound:
        yield bound


@asynccontextmanager
async def _grpc_serving(server: grpc.aio.Server, address: ListenAddress) -> AsyncIterator[ListenAddress]:
    try:
        port = server.add_insecure_port(str(address))
    except RuntimeError as error:
        raise CannotListen(f"cannot listen on {address}: {error}") from error
    await server.start()
    try:
        yield address._replace(port=port)
    finally:
        await server.stop(GRACE_SECONDS)


@asynccontextmanager
async def _rest_server(address: ListenAddress, app: web.Application) -> AsyncIterator[ListenAddress]:
    runner = web.AppRunner(app, shutdown_timeout=GRACE_SECONDS, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, address.host, address.port).start()
        except OSError as error:
            raise CannotListen(f"cannot listen on {address}: {error}") from error
        host, port = runner.addresses[0][:2]
        assert host
        yield address._replace(port=port)
    finally:
        await runner.cleanup()
