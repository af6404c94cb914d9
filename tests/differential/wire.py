"""Raw connections of the scripted peers: every byte received is kept, every change wakes whoever waits for it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from pathlib import Path

from tests.support.waiting import PATIENCE

# Nothing in a case takes so long, on a busy machine neither; a step that does is part of the outcome ("stuck"), not an error.
STEP_TIMEOUT = PATIENCE
# A proxy that has had enough leaves what comes where it is; for any other this is a long time.
UNREAD_TIMEOUT = 0.5
UNREAD_INTERVAL = 0.005


class StuckError(Exception):
    """A step waited in vain; the text says for what."""


class Scene:
    """One conversation: several connections whose steps may wait for each other."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()
        self.client_bytes = bytearray()
        """What the client of the conversation has received."""
        self.upstream_bytes = bytearray()
        """What the upstreams have received, all connections in one."""
        self.marks: set[str] = set()
        self.is_busy: Callable[[], bool] = lambda: False
        """Whether the proxy still has something to do, as far as the system can tell."""

    def changed(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def until(self, condition: Callable[[], bool], what: str, timeout: float = STEP_TIMEOUT) -> None:
        """Return once *condition* holds; it is asked again after every change on any connection."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while not condition():
            waiter = loop.create_future()
            self._waiters.add(waiter)
            try:
                await asyncio.wait_for(waiter, deadline - loop.time())
            except TimeoutError:
                raise StuckError(what) from None

    async def quiet(self, seconds: float) -> None:
        """Return once nothing has happened for *seconds*: the only way to see that something does not come.

        A proxy that waits for a processor meanwhile has not shown anything.
        """
        while True:
            try:
                await self.until(_OneChange(), "quiet", seconds)
            except StuckError:
                if not self.is_busy():
                    return


class _OneChange:
    """False when first asked, true after the first change."""

    def __init__(self) -> None:
        self._asked = False

    def __call__(self) -> bool:
        asked, self._asked = self._asked, True
        return asked


class Wire(asyncio.Protocol):
    """One TCP connection of a scripted peer."""

    def __init__(self, scene: Scene, sink: bytearray) -> None:
        self.scene = scene
        self.received = bytearray()
        self.eof = False
        self.reset = False
        self.closed_here = False
        self._sink = sink
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.scene.changed()

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._sink += data
        self.scene.changed()

    def eof_received(self) -> bool:
        self.eof = True
        self.scene.changed()
        return True  # stay open for writing: a script may go on after the other side's FIN

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self.reset = True
        self.eof = True
        self.scene.changed()

    @property
    def transport(self) -> asyncio.Transport:
        assert self._transport is not None, "not connected"
        return self._transport

    @property
    def ended(self) -> bool:
        return self.eof or self.reset

    def send(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    async def taken(self) -> None:
        """Return once the other side has read what was sent, or has looked at it and left it where it is, as listener filters do."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + UNREAD_TIMEOUT
        while not self.transport.is_closing() and self.scene.is_busy() and _unread(self.transport) and loop.time() < deadline:
            await asyncio.sleep(UNREAD_INTERVAL)

    def pause_reading(self) -> None:
        self.transport.pause_reading()

    def resume_reading(self) -> None:
        self.transport.resume_reading()

    def half_close(self) -> None:
        self.closed_here = True
        if not self.transport.is_closing():
            self.transport.write_eof()

    def close(self) -> None:
        self.closed_here = True
        self.transport.close()

    def abort(self) -> None:
        """Close with a RST."""
        self.closed_here = True
        sock = self.transport.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


def _unread(transport: asyncio.Transport) -> int:
    """How many bytes wait at the other end of a connection within this network."""
    ports = transport.get_extra_info("peername")[1], transport.get_extra_info("sockname")[1]
    sockets = Path("/proc/thread-self/net/tcp").read_bytes()
    _, found, fields = sockets.partition(b": 0100007F:%04X 0100007F:%04X " % ports)
    # The state, then "waits to be sent:waits to be read".
    return int(fields.split(maxsplit=2)[1].partition(b":")[2], 16) if found else 0
