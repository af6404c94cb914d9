"""Opening the connections of one cluster: dialling, its deadline, socket options, and what a failure is called.

Here: everything until the transport is there.  Not here: when to connect (pool_h1), what is sent (h1_connection).
Envoy: Cluster.connect_timeout, Cluster.upstream_bind_config, UpstreamConnectionOptions.tcp_keepalive.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import TYPE_CHECKING, Any, Final, Protocol

from dataplane.api.upstream import PoolFailure
from dataplane.base.address import Address, InternalAddress, PipeAddress, SocketAddress
from dataplane.upstream.internal_connection import NOTHING_PASSED, InternalDial, InternalListeners
from dataplane.upstream.source_address import BindError, OptionError, bound_socket, source_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataplane.base.deadlines import DeadlineWheel
    from dataplane.observe.stats import Counter
    from dataplane.snapshot.cluster import Cluster, TcpKeepalive

_REMOTE: Final = PoolFailure.REMOTE_CONNECTION_FAILURE
_LOCAL: Final = PoolFailure.LOCAL_CONNECTION_FAILURE
_TIMEOUT: Final = PoolFailure.TIMEOUT

# Our side ran out of something: the host is not to blame.
_LOCAL_ERRORS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# Errors that connect() itself returns; the others come back from the network.
_IMMEDIATE_ERRORS: Final = frozenset(
    {errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EACCES, errno.ENOENT, errno.EPERM, errno.EINVAL}
)


class Dialled(asyncio.Protocol):
    """A protocol that also wants to hear when no transport came."""

    __slots__ = ()

    def connect_failed(self, reason: PoolFailure, details: str) -> None:
        raise NotImplementedError


class Dial(Protocol):
    """One attempt to connect."""

    def connected(self) -> None:
        """The protocol's `connection_made` was called: the deadline is off."""

    def cancel(self) -> None:
        """Neither `connection_made` nor `connect_failed` is called after this."""


class Connector(Protocol):
    """What a pool needs; a test may give it connections of its own."""

    def connect(self, address: Address, protocol: Dialled) -> Dial:
        """Dial.  Calls `connection_made` or `connect_failed` of *protocol*, neither of them during this call."""

    def tune(self, transport: asyncio.Transport) -> None:
        """Set the options of a fresh connection."""


class SocketConnector:
    """Dials over TCP, a Unix socket or to a listener of ours, with the settings of one cluster.

    bind_errors: counts source addresses that we do not have.  passed: metadata for a listener of ours, by namespace.
    """

    __slots__ = ("_bind_errors", "_cluster", "_deadlines", "_internal", "_loop", "_passed")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        deadlines: DeadlineWheel,
        cluster: Cluster,
        bind_errors: Counter | None = None,
        internal: InternalListeners | None = None,
        passed: Mapping[str, object] = NOTHING_PASSED,
    ) -> None:
        self._passed = passed
        self._loop = loop
        self._deadlines = deadlines
        self._cluster = cluster
        self._bind_errors = bind_errors
        self._internal = internal or InternalListeners()

    def connect(self, address: Address, protocol: Dialled) -> Dial:
        if isinstance(address, InternalAddress):
            return InternalDial(self._loop, self._internal, address, protocol, self._passed)
        return _SocketDial(self._loop, self._deadlines, self._cluster, address, protocol, self._bind_errors)

    def tune(self, transport: asyncio.Transport) -> None:
        """The loop has set TCP_NODELAY already."""
        if self._cluster.per_connection_buffer_limit:
            transport.set_write_buffer_limits(self._cluster.per_connection_buffer_limit)
        sock = transport.get_extra_info("socket")
        if self._cluster.tcp_keepalive is not None and sock is not None:
            set_keepalive(sock, self._cluster.tcp_keepalive)


class _SocketDial:
    __slots__ = ("_bind_errors", "_deadline", "_loop", "_protocol", "_task")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        deadlines: DeadlineWheel,
        cluster: Cluster,
        address: SocketAddress | PipeAddress,
        protocol: Dialled,
        bind_errors: Counter | None,
    ) -> None:
        self._loop = loop
        self._protocol = protocol
        self._bind_errors = bind_errors
        self._deadline = deadlines.arm(cluster.connect_timeout, self._on_timeout)
        self._task: asyncio.Task[None] | None = loop.create_task(self._run(address, cluster))

    async def _run(self, address: SocketAddress | PipeAddress, cluster: Cluster) -> None:
        try:
            if isinstance(address, PipeAddress):
                await self._loop.create_unix_connection(self._the_protocol, _unix_path(address))
            elif cluster.source_addresses:
                await self._connect_bound(bound_socket(source_for(cluster.source_addresses, address), address), address)
            else:
                await self._loop.create_connection(self._the_protocol, address.host, address.port)
        except OSError as error:
            if isinstance(error, BindError) and self._bind_errors is not None:
                self._bind_errors.inc()
            self._deadline.cancel()
            self._protocol.connect_failed(*describe(error))

    async def _connect_bound(self, bound: socket.socket, address: SocketAddress) -> None:
        try:
            await self._loop.sock_connect(bound, (address.host, address.port))
        except BaseException:  # cancelled, too: nobody else knows the socket
            bound.close()
            raise
        await self._loop.create_connection(self._the_protocol, sock=bound)

    def _the_protocol(self) -> Dialled:
        return self._protocol

    def _on_timeout(self) -> None:
        self._break_off()
        self._protocol.connect_failed(_TIMEOUT, "")

    def connected(self) -> None:
        self._deadline.cancel()

    def cancel(self) -> None:
        self._deadline.cancel()
        self._break_off()

    def _break_off(self) -> None:
        task, self._task = self._task, None  # a cancelled one remembers where, and so would hold us
        if task is not None:
            task.cancel()


def _unix_path(address: PipeAddress) -> str:
    return "\0" + address.path[1:] if address.path.startswith("@") else address.path


def describe(error: OSError) -> tuple[PoolFailure, str]:
    """What Envoy calls a failed connect; the details are its transport failure reason."""
    if isinstance(error, BindError | OptionError):
        return _LOCAL, str(error.strerror)
    when = "immediate" if error.errno in _IMMEDIATE_ERRORS else "delayed"
    what = os.strerror(error.errno) if error.errno else str(error)
    return (_LOCAL if error.errno in _LOCAL_ERRORS else _REMOTE), f"{when} connect error: {what}"


def set_keepalive(connection: Any, keepalive: TcpKeepalive) -> None:
    """Turn TCP keepalive on; zero leaves a setting at the system's default."""
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPCNT, keepalive.probes),
        (socket.TCP_KEEPIDLE, keepalive.time),
        (socket.TCP_KEEPINTVL, keepalive.interval),
    ):
        if value:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
