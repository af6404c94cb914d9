"""An upstream that says who it is: every request is answered with 200 and the origin's name."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Until a connection that was accepted in this turn of the loop is among those that are open; before, nobody would close it.
_TURNS_OF_AN_ACCEPT = 3


class _Connection(asyncio.Protocol):
    """Requests without bodies, pipelined or not."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._origin.open.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._origin.open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        *heads, self._buffer = (self._buffer + data).split(b"\r\n\r\n")
        self._origin.requests += len(heads)
        self._transport.write(self._origin.answer * len(heads))


class Origin:
    """Use as an asynchronous context manager; `port` is known inside."""

    def __init__(self, name: str, tls: ssl.SSLContext | None = None) -> None:
        """tls: what it speaks; None: clear text."""
        self.name = name
        self._tls = tls
        self.answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(name), name.encode())
        self.requests = 0
        self.port = 0
        self.open: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Origin:
        self._server = await asyncio.get_running_loop().create_server(self.connection, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def connection(self) -> asyncio.Protocol:
        """The protocol of one more connection."""
        return _Connection(self)

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for _ in range(_TURNS_OF_AN_ACCEPT):
            await asyncio.sleep(0)
        for transport in self.open:
            transport.abort()
        while self.open:  # each is gone in the next round of the loop
            await asyncio.sleep(0)


@contextmanager
def in_a_thread(origin: Origin) -> Iterator[Origin]:
    """The same origin for tests that have no event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name=f"origin {origin.name}")
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(origin.__aenter__(), loop).result()
        try:
            yield origin
        finally:
            asyncio.run_coroutine_threadsafe(origin.__aexit__(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
