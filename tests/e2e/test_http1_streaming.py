"""Large bodies through a whole proxy: whole, in bounded memory, whichever side is slow; and a shutdown in the middle of one."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support import bootstraps
from tests.support.proxy_process import ProxyProcess
from tests.support.subject import IS_ENVOY, subject_process
from tests.support.waiting import wait_until_async

pytestmark = pytest.mark.e2e

PIECE = bytes(range(256)) * 1024
PIECES = 160  # 40 MiB
SIZE = len(PIECE) * PIECES
# What a proxy may hold of one body: its own buffers (1 MiB a side), not the body.  The rest is the allocator's.
MEMORY = 16 << 20
NAME = "edge"

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def digest() -> str:
    whole = hashlib.sha256()
    for _ in range(PIECES):
        whole.update(PIECE)
    return whole.hexdigest()


def resident(pid: int) -> int:
    """Bytes of memory in use by a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def running(directory: Path, handler: Handler) -> AsyncIterator[tuple[ProxyProcess, int]]:
    """A proxy in front of one upstream that does what *handler* does."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
            await reader.read()  # the proxy closes: it may want to send another request
        except ConnectionError:
            pass  # so it does when it is killed
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    routes = [{"match": {"prefix": "/"}, "route": {"cluster": "up", "timeout": "0s"}}]
    bootstrap = bootstraps.static([bootstraps.http_listener(NAME, routes)], [bootstraps.static_cluster("up", port)])
    proxy = subject_process(bootstrap, directory)
    try:
        await asyncio.to_thread(proxy.start)
        ports = await asyncio.to_thread(proxy.wait_listeners, [NAME])
        yield proxy, ports[NAME]
    finally:
        proxy.kill()
        server.close()
        await server.wait_closed()


async def read_digest(reader: asyncio.StreamReader, pause: Callable[[int], Awaitable[None]] | None = None) -> str:
    """Read a body of SIZE bytes; *pause* is awaited after each piece."""
    read = hashlib.sha256()
    left = SIZE
    while left:
        data = await reader.read(min(left, 1 << 16))
        assert data, f"ended {left} bytes early"
        read.update(data)
        left -= len(data)
        if pause is not None:
            await pause(SIZE - left)
    return read.hexdigest()


async def send_large(writer: asyncio.StreamWriter) -> None:
    for _ in range(PIECES):
        writer.write(PIECE)
        await writer.drain()


async def send_response(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % SIZE)
    await send_large(writer)


def test_a_large_download_by_a_slow_client_needs_no_memory(tmp_path: Path) -> None:
    async def scenario() -> None:
        sent = 0

        async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % SIZE)
            for _ in range(PIECES):
                writer.write(PIECE)
                await writer.drain()
                sent += len(PIECE)

        async with running(tmp_path, upstream) as (proxy, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 16)
            writer.write(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            before = resident(proxy.pid)
            await stands_still(lambda: sent, "the upstream is held back")
            assert sent < SIZE
            assert resident(proxy.pid) - before < MEMORY
            assert await read_digest(reader) == digest()
            assert resident(proxy.pid) - before < MEMORY
            writer.close()

    asyncio.run(scenario())


def test_a_large_upload_to_a_slow_upstream_needs_no_memory(tmp_path: Path) -> None:
    async def scenario() -> None:
        sent = 0
        go_on = asyncio.Event()

        async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            await go_on.wait()
            found = await read_digest(reader)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(found), found.encode()))

        async def upload(writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            for _ in range(PIECES):
                writer.write(PIECE)
                await writer.drain()
                sent += len(PIECE)

        async with running(tmp_path, upstream) as (proxy, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: %d\r\n\r\n" % SIZE)
            before = resident(proxy.pid)
            sending = asyncio.create_task(upload(writer))
            await stands_still(lambda: sent, "the client is held back")
            assert sent < SIZE
            assert resident(proxy.pid) - before < MEMORY
            go_on.set()
            await sending
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK")
            assert await reader.readexactly(64) == digest().encode()
            writer.close()

    asyncio.run(scenario())


async def stands_still(value: Callable[[], int], what: str) -> None:
    """Wait until *value* has begun to grow and has then stayed for a few looks."""
    seen: list[int] = []

    def still() -> bool:
        seen.append(value())
        return seen[-1] > 0 and len(seen) > 10 and len(set(seen[-10:])) == 1

    await wait_until_async(still, what)


@pytest.mark.skipif(IS_ENVOY, reason="Envoy ends at once on SIGTERM")
def test_a_shutdown_lets_a_response_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, send_response) as (proxy, port):
            idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", port)
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 16)
            writer.write(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            os.kill(proxy.pid, signal.SIGTERM)
            assert await idle_reader.read() == b""
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
            assert await read_digest(reader) == digest()
            writer.close()
            idle_writer.close()
            await wait_until_async(lambda: proxy.returncode is not None, "the proxy ends")
            assert proxy.returncode == 0, proxy.log()[-1000:]

    asyncio.run(scenario())
