"""Connections to a management server that gRPC cannot make itself: TLS by a cluster's rules, TCP keepalive.

gRPC connects in clear to a local socket of ours; each such connection is carried over one of our making.  The socket has an abstract
name, so it needs no writable directory, and only this very process is let in: behind it is our client certificate.
Not here: what is verified (tls_client), gRPC (grpc_channel).
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

from dataplane.base.address import Address, PipeAddress
from dataplane.snapshot.cluster import TcpKeepalive
from dataplane.xds.source import EnvoyGrpc
from dataplane.xds.tls_client import require_name, ssl_context

log = logging.getLogger("connection")

_CHUNK: Final = 64 * 1024
_PEER_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Relay:
    """An async context manager; lives as long as the channel that uses it.  address: one of target's endpoints.

    Raises ConfigError for certificates and keys that cannot be used.
    """

    def __init__(self, target: EnvoyGrpc, address: Address) -> None:
        self._address = address
        self._tls = target.tls
        self._context = None if target.tls is None else ssl_context(target.tls)
        self._keepalive = target.tcp_keepalive
        self._connect_timeout = target.connect_timeout
        self._name = f"pointsman-{secrets.token_hex(16)}"
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.failure = ""  # why the last connection was not made; gRPC only sees that it was closed

    @staticmethod
    def needed(target: EnvoyGrpc, address: Address) -> bool:
        return target.tls is not None or (target.tcp_keepalive is not None and not isinstance(address, PipeAddress))

    @property
    def target(self) -> str:
        """What gRPC dials."""
        return f"unix-abstract:{self._name}"

    async def __aenter__(self) -> Relay:
        local = socket.socket(socket.AF_UNIX)
        local.bind(f"\0{self._name}")
        self._server = await asyncio.start_unix_server(self._accepted, sock=local)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        remote: Streams | None = None
        try:
            _require_own_process(writer)
            async with asyncio.timeout(self._connect_timeout):
                remote = await self._connect()
            self._check(remote[1])
            await _pump_both((reader, writer), remote)
        except TimeoutError:
            self.failure = f"not connected within {self._connect_timeout} s"
        except OSError as error:  # ssl.SSLError is one
            self.failure = str(error)
        except asyncio.CancelledError:  # at the end nobody waits for TLS to say goodbye: the loop may be closed before it has
            writer.transport.abort()
            if remote is not None:
                remote[1].transport.abort()
            raise
        finally:
            writer.close()
            if remote is not None:
                remote[1].close()

    async def _connect(self) -> Streams:
        name = self._tls.server_name if self._tls is not None else None
        if isinstance(self._address, PipeAddress):
            path = f"\0{self._address.path[1:]}" if self._address.path.startswith("@") else self._address.path
            return await asyncio.open_unix_connection(path, ssl=self._context, server_hostname=name)
        return await asyncio.open_connection(self._address.host, self._address.port, ssl=self._context, server_hostname=name)

    def _check(self, remote: asyncio.StreamWriter) -> None:
        if self._tls is not None:
            require_name(remote.get_extra_info("ssl_object"), self._tls.subject_alt_names)
        if self._keepalive is not None and not isinstance(self._address, PipeAddress):
            keep_alive(remote.get_extra_info("socket"), self._keepalive)


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


def _require_own_process(writer: asyncio.StreamWriter) -> None:
    local: socket.socket = writer.get_extra_info("socket")
    credentials = local.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
    pid, _, _ = _PEER_CREDENTIALS.unpack(credentials)
    if pid != os.getpid():
        log.warning("process %d tried to use our connection to the management server", pid)
        raise PermissionError(f"process {pid} is not this one")


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
