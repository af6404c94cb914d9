"""Clients that come again and again, do one thing and look at its outcome: TLS, WebSocket, TCP, gRPC of all kinds, calls that are given up."""

from __future__ import annotations

import asyncio
import collections
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Final

import grpc

from tests.support.grpc_peers import EchoClient
from tests.support.load import Answer, read_answer

Visit = Callable[[int], Awaitable[str | None]]
"""One visit to a port; says what went wrong."""

_PAUSE = 0.02
_PATIENCE = 10.0
_MESSAGES = 5


class Visitor:
    """Makes one visit after the other.  failures: complete after the block."""

    def __init__(self, port: int, visit: Visit) -> None:
        self._port = port
        self._visit = visit
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self.visits = 0
        self.failures: collections.Counter[str] = collections.Counter()

    async def __aenter__(self) -> Visitor:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopping = True
        assert self._task is not None
        await self._task

    async def _run(self) -> None:
        while not self._stopping:
            try:
                wrong = await asyncio.wait_for(self._visit(self._port), _PATIENCE)
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                wrong = f"{type(error).__name__}: {error}"
            if wrong:
                self.failures[f"{self._visit.__name__}: {wrong}"] += 1
            self.visits += 1
            await asyncio.sleep(_PAUSE)


async def _ping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str | None:
    for number in range(_MESSAGES):
        said = b"message %d" % number
        writer.write(said)
        if await reader.readexactly(len(said)) != said:
            return "not what was said"
    return None


async def tcp(port: int) -> str | None:
    """A few messages there and back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return await _ping(reader, writer)
    finally:
        writer.close()


async def websocket(port: int) -> str | None:
    """An upgrade, a few messages, and gone with a reset."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET /socket HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        return await _ping(reader, writer) if head.startswith(b"HTTP/1.1 101 ") else head.decode()
    finally:
        writer.transport.abort()


async def https(port: int) -> str | None:
    """A handshake, one request, and gone without a goodbye."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        writer.write(b"GET /secure HTTP/1.1\r\nhost: a.test\r\n\r\n")
        answer = await read_answer(reader)
        return None if answer.body == b"secure" else str(answer)
    finally:
        writer.transport.abort()


async def silent(port: int) -> str | None:
    """A request that nobody answers in time."""
    answer = await _ask(port, "/silent")
    return None if answer.status == 504 else str(answer)


async def flaky(port: int) -> str | None:
    """A request that may be retried, may fail, and may lose its connection amid the body."""
    with suppress(asyncio.IncompleteReadError):
        answer = await _ask(port, "/flaky")
        return None if answer.status in (200, 502, 503) else str(answer)
    return None


async def _ask(port: int, path: str) -> Answer:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nhost: a.test\r\n\r\n".encode())
        return await read_answer(reader)
    finally:
        writer.close()


async def upload(port: int) -> str | None:
    """A body in chunks that ends with the connection, after the first answer came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n" + b"400\r\n%b\r\n" % bytes(1024))
        answer = await read_answer(reader)
        return None if answer.status == 200 else str(answer)
    finally:
        writer.close()


async def calls(port: int) -> str | None:
    """A call of each kind over one channel, and one that is given up."""
    return await asyncio.to_thread(_calls, port)


def _calls(port: int) -> str | None:
    with EchoClient(port) as client:
        if client.unary(b"said", timeout=_PATIENCE) != b"said":
            return "unary"
        if list(client.count(b"3", timeout=_PATIENCE)) != [b"0", b"1", b"2"]:
            return "server streaming"
        if client.total(_words(), timeout=_PATIENCE) != b"6":
            return "client streaming"
        if list(client.chat(_words(), timeout=_PATIENCE)) != [b"eno", b"owt"]:
            return "both streaming"
        with suppress(grpc.RpcError):
            client.never(b"", timeout=0.05)
    return None


IN_CLEAR: Final[tuple[Visit, ...]] = (silent, flaky, websocket, upload, calls)


def _words() -> Iterator[bytes]:
    yield b"one"
    yield b"two"
