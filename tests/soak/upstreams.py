"""What the proxy forwards to: upstreams that answer, that never do, that break off and come again; over TLS, HTTP/2, and without HTTP."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from types import TracebackType

from tests.support.certificates import Authority, server_context
from tests.support.grpc_peers import EchoServer
from tests.support.origin import Origin

# Between two ends of the upstream that does not stay.
_LIFE = 2.0
_CONNECTIONS = ("blue", "green")


class _Moody(asyncio.Protocol):
    """Answers, answers with 503, breaks off at once, amid a head, amid a body, amid chunks, or talks nonsense."""

    MOODS = (
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", False),
        (b"HTTP/1.1 503 Unwell\r\ncontent-length: 0\r\n\r\n", False),
        (b"", True),
        (b"HTTP/1.1 200 OK\r\ncontent-", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\npart", True),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n", True),
        (b"nonsense\r\n\r\n", True),
        (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", False),
    )

    def __init__(self, upstream: FlakyOrigin) -> None:
        self._upstream = upstream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._upstream.open.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._upstream.open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        answer, ends = next(self._upstream.moods)
        self._transport.write(answer)
        if ends:
            self._transport.close()


class FlakyOrigin(Origin):
    """In a different mood with every request, and gone from time to time: its port refuses, its connections are reset."""

    def __init__(self) -> None:
        super().__init__("flaky")
        self.moods = itertools.cycle(_Moody.MOODS)
        self.restarts = 0
        self._task: asyncio.Task[None] | None = None

    def connection(self) -> asyncio.Protocol:
        return _Moody(self)

    async def __aenter__(self) -> Origin:
        await super().__aenter__()
        self._task = asyncio.create_task(self._come_and_go())
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        await super().__aexit__(*error)

    async def _come_and_go(self) -> None:
        while True:
            await asyncio.sleep(_LIFE)
            await super().__aexit__()
            self._server = await asyncio.get_running_loop().create_server(self.connection, "127.0.0.1", self.port)
            self.restarts += 1


class _Echo(asyncio.Protocol):
    """Sends back what comes; an upgrade is granted first."""

    def __init__(self) -> None:
        self._is_first = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._is_first and data.startswith(b"GET "):
            data = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n"
        self._is_first = False
        self._transport.write(data)


class EchoOrigin(Origin):
    """For upgrades and for plain TCP."""

    def connection(self) -> asyncio.Protocol:
        return _Echo()


class Upstreams:
    """All of them.  An async context manager."""

    def __init__(self, authority: Authority) -> None:
        self.origins = [Origin(name) for name in _CONNECTIONS]  # revisions take them in turn
        self.silent = Origin("silent")
        self.silent.answer = b""
        self.flaky = FlakyOrigin()
        self.secure = Origin("secure", server_context(authority.sign("secure.test")))
        self.echo = EchoOrigin("echo")
        self.grpc = EchoServer()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Upstreams:
        for origin in (*self.origins, self.silent, self.flaky, self.secure, self.echo):
            await self._stack.enter_async_context(origin)
        self._stack.enter_context(self.grpc)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._stack.aclose()

    def ports(self) -> Iterator[tuple[str, int]]:
        """By the name of their cluster; without those that revisions take in turn."""
        for origin in (self.silent, self.flaky, self.secure, self.echo):
            yield origin.name, origin.port
        yield "grpc", self.grpc.port
