"""Requests that break rules, and clients that go away at every byte: the documented answer, nothing hangs, nothing leaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import bootstraps
from tests.support.load import read_answer
from tests.support.origin import Origin
from tests.support.proxy_process import ProxyProcess
from tests.support.subject import subject_process
from tests.support.waiting import PATIENCE, wait_until_async

pytestmark = pytest.mark.e2e

NAME = "edge"

# What is sent, and the status that answers it.
REQUESTS = {
    "request line of 100 kB": (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nhost: a.test\r\n\r\n", 431),
    "one header over the limit": (b"GET / HTTP/1.1\r\nhost: a.test\r\nx: " + b"a" * 70_000 + b"\r\n\r\n", 431),
    "headers over the limit together": (
        b"GET / HTTP/1.1\r\nhost: a.test\r\n" + (b"x: " + b"a" * 996 + b"\r\n") * 70 + b"\r\n",
        431,
    ),
    "a head without end over the limit": (b"GET / HTTP/1.1\r\nhost: a.test\r\nx: " + b"a" * 200_000, 431),
    "101 headers": (b"GET / HTTP/1.1\r\nhost: a.test\r\n" + b"x: a\r\n" * 100 + b"\r\n", 431),
    "100 headers": (b"GET / HTTP/1.1\r\nhost: a.test\r\n" + b"x: a\r\n" * 99 + b"\r\n", 200),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64, 400),
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "HTTP/1.0": (b"GET / HTTP/1.0\r\nhost: a.test\r\n\r\n", 426),
    "content-length that is no number": (b"POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: x\r\n\r\n", 400),
    "two lengths": (b"POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", 400),
    "length and chunked": (
        b"POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "unknown transfer encoding": (b"POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: gzip\r\n\r\nabc", 501),
    "bad chunk size": (b"POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", 400),
}

UPLOAD = b"POST /upload HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n"
SIZED_UPLOAD = b"POST /upload HTTP/1.1\r\nhost: a.test\r\ncontent-length: 20\r\n\r\n01234567890123456789"


@dataclass(frozen=True, slots=True)
class Running:
    """A proxy with one listener in front of one origin."""

    proxy: ProxyProcess
    port: int


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[Running]:
    async with Origin("up") as origin:
        listener = bootstraps.http_listener(NAME, [{"match": {"prefix": "/"}, "route": {"cluster": "up"}}])
        proxy = subject_process(bootstraps.static([listener], [bootstraps.static_cluster("up", origin.port)]), directory)
        await asyncio.to_thread(proxy.start)
        try:
            ports = await asyncio.to_thread(proxy.wait_listeners, [NAME])
            yield Running(proxy, ports[NAME])
        finally:
            await asyncio.to_thread(proxy.stop)


async def status_of(port: int, request: bytes) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return (await asyncio.wait_for(read_answer(reader), PATIENCE)).status
    finally:
        writer.close()


async def send_and_leave(port: int, data: bytes, *, reset: bool) -> None:
    """Connect, send, be gone: with a FIN, or with a RST."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    await writer.drain()
    if reset:
        writer.transport.abort()
    else:
        writer.close()
        await writer.wait_closed()


async def back_to_nothing(proxy: ProxyProcess) -> None:
    """Return once no connection and no request is under way, by the proxy's own account."""
    gauges = [f"http.{NAME}.downstream_cx_active", f"http.{NAME}.downstream_rq_active", "cluster.up.upstream_rq_active"]

    def idle() -> bool:
        stats = proxy.admin.stats()
        assert all(gauge in stats for gauge in gauges), f"missing: {set(gauges) - set(stats)}"
        return all(stats[gauge] == 0 for gauge in gauges)

    await asyncio.to_thread(idle)
    await wait_until_async(idle, f"all of {gauges} at 0")


async def answers(directory: Path) -> dict[str, int]:
    async with running(directory) as it:
        found = {name: await status_of(it.port, request) for name, (request, _) in REQUESTS.items()}
        await back_to_nothing(it.proxy)
        assert await status_of(it.port, b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n") == 200
    return found


def test_every_bad_request_has_its_answer(tmp_path: Path) -> None:
    assert asyncio.run(answers(tmp_path)) == {name: status for name, (_, status) in REQUESTS.items()}


async def leavers(directory: Path) -> None:
    async with running(directory) as it:
        assert await status_of(it.port, b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n") == 200
        await back_to_nothing(it.proxy)
        files = it.proxy.open_files()
        for request in (UPLOAD, SIZED_UPLOAD):
            for end in range(1, len(request)):
                await send_and_leave(it.port, request[:end], reset=end % 2 == 0)
        await back_to_nothing(it.proxy)
        assert await status_of(it.port, b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n") == 200
        # Connections in the upstream pool may stay; they are not lost, but they must not grow with the number of clients.
        idle = it.proxy.admin.stats()["cluster.up.upstream_cx_active"]
        await wait_until_async(lambda: it.proxy.open_files() <= files + idle, "as many open files as before")
        assert idle < 20


def test_clients_that_leave_at_every_byte_leave_nothing_behind(tmp_path: Path) -> None:
    asyncio.run(leavers(tmp_path))


async def slow_heads(directory: Path) -> None:
    """Half a request on many connections does not stop others, and ends when its time is over."""
    async with Origin("up") as origin:
        routes = [{"match": {"prefix": "/"}, "route": {"cluster": "up"}}]
        listener = bootstraps.http_listener(NAME, routes, request_headers_timeout="0.5s")
        proxy = subject_process(bootstraps.static([listener], [bootstraps.static_cluster("up", origin.port)]), directory)
        await asyncio.to_thread(proxy.start)
        try:
            port = (await asyncio.to_thread(proxy.wait_listeners, [NAME]))[NAME]
            started = [asyncio.create_task(status_of(port, b"GET / HTTP/1.1\r\nhost:")) for _ in range(200)]
            assert await status_of(port, b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n") == 200
            assert set(await asyncio.gather(*started)) == {408}
            await back_to_nothing(proxy)
        finally:
            await asyncio.to_thread(proxy.stop)


def test_half_heads_time_out(tmp_path: Path) -> None:
    asyncio.run(slow_heads(tmp_path))
