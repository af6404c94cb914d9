"""Connections between a cluster and a listener of the same process, without a socket.

Here: a pair of transports, each the other's peer, and the dial that makes one.  Not here: who listens (listener.manager).
What one side writes the other reads in a later turn of the loop, so that neither is ever called from within its own call.  Bytes that wait
are bounded as those of a socket are: by the buffer of the connection, and by that of the pipe.
Envoy: IoSocket::UserSpace::IoHandleImpl, Network::InternalClientConnectionFactory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from dataplane.api.upstream import PoolFailure
from dataplane.base.address import InternalAddress

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataplane.upstream.connector import Dialled

CLIENT_ADDRESS: Final = InternalAddress("internal_client_address")
_HIGH: Final = 1 << 16
NOTHING_PASSED: Final[Mapping[str, object]] = {}


class InternalListeners:
    """Those of one loop.  acceptors: by name, what makes the protocol of a new connection.  buffer_size: bytes of a pipe, each way."""

    __slots__ = ("acceptors", "buffer_size")

    def __init__(self) -> None:
        self.acceptors: dict[str, Callable[[], asyncio.Protocol]] = {}
        self.buffer_size = 1 << 20


class InternalTransport(asyncio.Transport):
    """One end."""

    _peer: InternalTransport

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        local: InternalAddress,
        remote: InternalAddress,
        pipe: int,
        passed: Mapping[str, object] = NOTHING_PASSED,
    ) -> None:
        """pipe: bytes that may be under way before the writer's own buffer begins to fill.  passed: metadata that came with the dial."""
        super().__init__({"sockname": local, "peername": remote, "passed_metadata": passed})
        self._loop = loop
        self._pipe = pipe
        self._protocol: asyncio.Protocol | None = None
        self._incoming: deque[bytes] = deque()
        self._waiting = 0  # bytes in _incoming
        self._eof_comes = self._eof_seen = False
        self._paused = self._scheduled = False
        self._closing = self._over = False
        self._eof_written = False
        self._writer_blocked = False
        self.set_write_buffer_limits()

    def attach(self, peer: InternalTransport, protocol: asyncio.Protocol) -> None:
        self._peer = peer
        self._protocol = protocol

    # asyncio.Transport: reading

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._schedule()

    def is_reading(self) -> bool:
        return not (self._paused or self._closing)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast("asyncio.Protocol", protocol)

    def get_protocol(self) -> asyncio.Protocol:
        assert self._protocol is not None
        return self._protocol

    # asyncio.Transport: writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or self._eof_written or not data:
            return
        peer = self._peer
        if peer._closing:
            self._fail(BrokenPipeError("the other side is closed"))
            return
        peer._incoming.append(bytes(data))
        peer._waiting += len(data)
        peer._schedule()
        if peer._waiting > self._high + self._pipe and not self._writer_blocked:
            self._writer_blocked = True
            self.get_protocol().pause_writing()

    def write_eof(self) -> None:
        if not (self._closing or self._eof_written):
            self._eof_written = True
            self._peer._end()

    def can_write_eof(self) -> bool:
        return True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = _HIGH if high is None else high
        self._low = self._high // 4 if low is None else low

    def get_write_buffer_size(self) -> int:
        return max(0, self._peer._waiting - self._pipe)

    # asyncio.Transport: the end

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """What was written still arrives, and the end after it."""
        if self._closing:
            return
        self.write_eof()
        self._leave(None)

    def abort(self) -> None:
        self._fail(None)

    # Between the ends

    def _fail(self, error: Exception | None) -> None:
        if not self._closing:
            self._peer._on_reset()
            self._leave(error)

    def _on_reset(self) -> None:
        if not self._closing:
            self._leave(ConnectionResetError("reset by the other side"))

    def _leave(self, error: Exception | None) -> None:
        self._closing = True
        self._incoming.clear()
        self._waiting = 0
        self._loop.call_soon(self._lost, error)

    def _lost(self, error: Exception | None) -> None:
        if not self._over:
            self._over = True
            self.get_protocol().connection_lost(error)

    def _end(self) -> None:
        self._eof_comes = True
        self._schedule()

    def _schedule(self) -> None:
        if not (self._scheduled or self._paused or self._closing) and (self._incoming or self._eof_comes):
            self._scheduled = True
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        """One turn: all that waits, in one piece, then the end."""
        self._scheduled = False
        if self._paused or self._closing:
            return
        if self._incoming:
            data = b"".join(self._incoming)
            self._incoming.clear()
            self._waiting = 0
            self._peer._unblock()
            self.get_protocol().data_received(data)
        if self._eof_comes and not (self._incoming or self._paused or self._closing or self._eof_seen):
            self._eof_seen = True
            if not self.get_protocol().eof_received():
                self.close()

    def _unblock(self) -> None:
        if self._writer_blocked and not self._closing:
            self._writer_blocked = False
            self.get_protocol().resume_writing()


class InternalDial:
    """Implements upstream.connector.Dial."""

    __slots__ = ("_address", "_handle", "_listeners", "_loop", "_passed", "_protocol")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listeners: InternalListeners,
        address: InternalAddress,
        protocol: Dialled,
        passed: Mapping[str, object] = NOTHING_PASSED,
    ) -> None:
        """passed: metadata for the listener, by namespace."""
        self._passed = passed
        self._loop = loop
        self._listeners = listeners
        self._address = address
        self._protocol = protocol
        self._handle = loop.call_soon(self._connect)

    def connected(self) -> None:
        """There is no deadline: it is there at once or not at all."""

    def cancel(self) -> None:
        self._handle.cancel()

    def _connect(self) -> None:
        """A listener that turns the connection away at once, since no filter chain is for it, counts as absent."""
        accept = self._listeners.acceptors.get(self._address.listener_name)
        if accept is not None:
            pipe = self._listeners.buffer_size
            ours = InternalTransport(self._loop, CLIENT_ADDRESS, self._address, pipe)
            theirs = InternalTransport(self._loop, self._address, CLIENT_ADDRESS, pipe, self._passed)
            accepted = accept()
            ours.attach(theirs, self._protocol)
            theirs.attach(ours, accepted)
            accepted.connection_made(theirs)
            if not theirs.is_closing():
                cast("Any", self._protocol).connection_made(ours)
                return
        reason = f"immediate connect error: Invalid argument|remote address:{self._address}"
        self._protocol.connect_failed(PoolFailure.REMOTE_CONNECTION_FAILURE, reason)
