"""Connections to a management server that gRPC cannot make itself: through a cluster's transport socket, with TCP keepalive.

gRPC connects in clear to a local socket of ours; each such connection is carried over one of our making.  The socket has an abstract
name, so it needs no writable directory, and only this very process is let in: behind it is our client certificate.
Not here: the transport socket itself (extensions.transport_sockets), gRPC (grpc_channel).
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import struct
from types import TracebackType
from typing import Final

from dataplane.api.upstream import PoolFailure
from dataplane.base.address import Address, PipeAddress, SocketAddress
from dataplane.snapshot.cluster import TcpKeepalive
from dataplane.xds.source import EnvoyGrpc

log = logging.getLogger("connection")

_CHUNK: Final = 64 * 1024
_MISSING_SECRET: Final = "TLS error: Secret is not supplied by SDS"  # noqa: S105  # Envoy's text, and no password
_PEER_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid

# From the end of a task over its callbacks to the closed socket, in turns of the loop.
_TURNS_OF_AN_ABORT: Final = 3

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Relay:
    """An async context manager; lives as long as the channel that uses it.  address: one of target's endpoints."""

    def __init__(self, target: EnvoyGrpc, address: Address) -> None:
        self._address = address
        self._secure = target.secure
        self._keepalive = target.tcp_keepalive
        self._connect_timeout = target.connect_timeout
        self._name = f"pointsman-{secrets.token_hex(16)}"
        self._listening: socket.socket | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.failure = ""  # why the last connection was not made; gRPC only sees that it was closed

    @staticmethod
    def needed(target: EnvoyGrpc, address: Address) -> bool:
        return target.secure is not None or (target.tcp_keepalive is not None and not isinstance(address, PipeAddress))

    @property
    def target(self) -> str:
        """What gRPC dials."""
        return f"unix-abstract:{self._name}"

    async def __aenter__(self) -> Relay:
        local = socket.socket(socket.AF_UNIX)
        local.bind(f"\0{self._name}")
        local.listen()
        local.setblocking(False)
        asyncio.get_running_loop().add_reader(local, self._accept, local)
        self._listening = local
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()
            await asyncio.sleep(0)  # a task that is cancelled before it has run would leave its socket to nobody
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        for _ in range(_TURNS_OF_AN_ABORT):  # or a loop that is closed next would leave their sockets open
            await asyncio.sleep(0)

    def _accept(self, listening: socket.socket) -> None:
        """By hand: asyncio's server loses the socket of a connection that it has accepted in the turn in which it is closed."""
        try:
            local, _ = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        task = asyncio.create_task(self._carry(local))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _carry(self, accepted: socket.socket) -> None:
        local: Streams | None = None
        remote: Streams | None = None
        try:
            _require_own_process(accepted)
            local = await asyncio.open_unix_connection(sock=accepted)
            async with asyncio.timeout(self._connect_timeout):
                remote = await self._connect()
            self._keep_alive(remote[1])
            await _pump_both(local, remote)
        except TimeoutError:
            self.failure = f"not connected within {self._connect_timeout} s"
        except (OSError, ValueError) as error:
            self.failure = str(error)
        except asyncio.CancelledError:  # at the end nobody waits for TLS to say goodbye: the loop may be closed before it has
            _abort(local, remote)
            raise
        finally:
            if local is None:
                accepted.close()
            _close(local, remote)

    async def _connect(self) -> Streams:
        """Raises OSError, and ValueError for a server name that cannot be asked for."""
        above = _Remote(asyncio.get_running_loop())
        below: asyncio.BaseProtocol | None = above if self._secure is None else self._secure(above)
        if below is None:
            raise ConnectionError(_MISSING_SECRET)
        loop = asyncio.get_running_loop()
        if isinstance(self._address, PipeAddress):
            path = f"\0{self._address.path[1:]}" if self._address.path.startswith("@") else self._address.path
            transport, _ = await loop.create_unix_connection(lambda: below, path)
        elif isinstance(self._address, SocketAddress):
            transport, _ = await loop.create_connection(lambda: below, self._address.host, self._address.port)
        else:
            raise ConnectionError(f"a management server cannot be {self._address}")
        try:
            return await above.ready
        except BaseException:
            transport.abort()
            raise

    def _keep_alive(self, remote: asyncio.StreamWriter) -> None:
        if self._keepalive is not None and not isinstance(self._address, PipeAddress):
            keep_alive(remote.get_extra_info("socket"), self._keepalive)


class _Remote(asyncio.StreamReaderProtocol):
    """Above a layer, or above the socket itself: streams once everything below is ready to carry bytes."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._reader = asyncio.StreamReader(loop=loop)
        super().__init__(self._reader, loop=loop)
        self.loop = loop
        self.ready: asyncio.Future[Streams] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        writer = asyncio.StreamWriter(transport, self, self._reader, self.loop)  # type: ignore[arg-type]  # a layer is one by its methods
        if not self.ready.done():
            self.ready.set_result((self._reader, writer))

    def connect_failed(self, reason: PoolFailure, details: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(details or "the handshake failed"))


def keep_alive(connection: socket.socket, keepalive: TcpKeepalive) -> None:
    """Turn TCP keepalive on; zero leaves a setting at the system's default."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPCNT, keepalive.probes),
        (socket.TCP_KEEPIDLE, keepalive.time),
        (socket.TCP_KEEPINTVL, keepalive.interval),
    ):
        if value:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)


def _require_own_process(local: socket.socket) -> None:
    credentials = local.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
    pid, _, _ = _PEER_CREDENTIALS.unpack(credentials)
    if pid != os.getpid():
        log.warning("process %d tried to use our connection to the management server", pid)
        raise PermissionError(f"process {pid} is not this one")


def _abort(*connections: Streams | None) -> None:
    for connection in connections:
        if connection is not None:
            connection[1].transport.abort()


def _close(*connections: Streams | None) -> None:
    for connection in connections:
        if connection is not None:
            connection[1].close()


async def _pump_both(local: Streams, remote: Streams) -> None:
    """Until either side ends."""
    tasks = (asyncio.create_task(_pump(local[0], remote[1])), asyncio.create_task(_pump(remote[0], local[1])))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK):
        sink.write(data)
        await sink.drain()
