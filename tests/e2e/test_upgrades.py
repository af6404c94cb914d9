"""WebSocket through the proxy, with aiohttp on both sides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.support import bootstraps
from tests.support.our_process import our_process
from tests.support.proxy_process import ProxyProcess
from tests.support.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.e2e

OFF = {"upgrade_configs": [{"upgrade_type": "websocket", "enabled": False}]}
ROUTES: list[dict[str, Any]] = [
    {"match": {"prefix": "/off"}, "route": {"cluster": "up", **OFF}},
    {"match": {"prefix": "/silent"}, "route": {"cluster": "up", "timeout": "0.2s"}},
    {"match": {"prefix": "/idle"}, "route": {"cluster": "up", "idle_timeout": "0.2s"}},
    {"match": {"prefix": "/"}, "route": {"cluster": "up"}},
]


async def echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(f"<{message.data}>")
    return socket


async def silent(request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    return web.Response()


async def refuse(request: web.Request) -> web.Response:
    return web.Response(status=404, text="no")


@asynccontextmanager
async def proxy(directory: Path) -> AsyncIterator[tuple[ProxyProcess, str]]:
    app = web.Application()
    app.add_routes([web.get("/refuse", refuse), web.get("/silent", silent), web.get("/{rest:.*}", echo)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    listener = bootstraps.http_listener("edge", ROUTES, upgrade_configs=[{"upgrade_type": "websocket"}])
    cluster = bootstraps.static_cluster("up", runner.addresses[0][1])
    process = our_process(bootstraps.static([listener], [cluster]), directory)
    try:
        await asyncio.to_thread(process.start)
        ports = await asyncio.to_thread(process.wait_listeners, ["edge"])
        yield process, f"http://127.0.0.1:{ports['edge']}"
    finally:
        process.kill()
        await runner.cleanup()


def stat(process: ProxyProcess, name: str) -> int:
    return next(value for key, value in process.admin.stats(name).items() if key.startswith("http.") and key.endswith(name))


def test_messages_go_both_ways(tmp_path: Path) -> None:
    async def run() -> None:
        async with proxy(tmp_path) as (process, url), aiohttp.ClientSession() as session:
            async with session.ws_connect(f"{url}/chat") as socket:
                for number in range(100):
                    await socket.send_str(str(number))
                    assert await socket.receive_str(timeout=PATIENCE) == f"<{number}>"
                large = "x" * 1_000_000
                await socket.send_str(large)
                assert await socket.receive_str(timeout=PATIENCE) == f"<{large}>"
                assert await asyncio.to_thread(stat, process, "downstream_cx_upgrades_active") == 1
            assert await asyncio.to_thread(stat, process, "downstream_cx_upgrades_total") == 1
            await asyncio.to_thread(
                wait_until, lambda: stat(process, "downstream_cx_upgrades_active") == 0, "the upgraded connection is gone"
            )

    asyncio.run(run())


@pytest.mark.parametrize(("path", "status"), [("/off", 403), ("/refuse", 404), ("/silent", 504)])
def test_refused_upgrades(tmp_path: Path, path: str, status: int) -> None:
    """By the route, by the upstream, by an upstream that never answers."""

    async def run() -> None:
        async with proxy(tmp_path) as (_, url), aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(f"{url}{path}")
            assert refused.value.status == status

    asyncio.run(run())


def test_silence_ends_an_upgraded_connection(tmp_path: Path) -> None:
    async def run() -> None:
        async with proxy(tmp_path) as (process, url), aiohttp.ClientSession() as session:
            async with session.ws_connect(f"{url}/idle") as socket:
                message = await socket.receive(timeout=PATIENCE)
                assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR)
            assert await asyncio.to_thread(stat, process, "downstream_rq_idle_timeout") == 1

    asyncio.run(run())
