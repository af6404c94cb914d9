"""One live listener: its sockets, the connections they brought, and the configuration new ones get.

Here: accepting, counting, draining the connections of filter chains that went away.  Not here: which listeners there are (listener.manager).
A listener outlives changes of its configuration as long as its addresses stay: sockets are never closed for a new filter chain.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from random import random
from typing import TYPE_CHECKING, Final

from dataplane.api.overload import ACCEPT
from dataplane.base.address import Address, PipeAddress
from dataplane.base.counts import LocalCount
from dataplane.listener.balanced_accepting import BalancedAccepting
from dataplane.listener.connection import Connection
from dataplane.listener.connection_limit import ConnectionLimit, Unwanted
from dataplane.listener.limited_accepting import LimitedAccepting
from dataplane.listener.options import backlog, bound_address, set_options
from dataplane.listener.stats import ListenerStats, stat_prefix
from dataplane.observe.formatter_context import FormatterContext
from dataplane.routing.filter_chain_match import find_filter_chain
from dataplane.snapshot.listener import chains_of
from dataplane.snapshot.socket_option import LISTENING

if TYPE_CHECKING:
    from dataplane.api.listener_filter import Inspected
    from dataplane.api.network_filter import DrainDecision, ServerContext
    from dataplane.api.overload import OverloadLevels
    from dataplane.base.counts import Count
    from dataplane.base.turns import Turns
    from dataplane.snapshot.listener import FilterChain, Listener

log = logging.getLogger("config")

_REMOVED: Final = "purging_socket_that_have_not_progressed_to_connections"
"""Why connections end whose listener is gone, in Envoy's words."""

Sockets = Mapping[Address, tuple[socket.socket, ...]]


def addresses(config: Listener) -> tuple[Address, ...]:
    """Every address a listener asks for, in order."""
    return (config.address, *config.additional_addresses)


class ActiveListener:
    """Accepts connections; implements listener.connection.Acceptor.

    on_idle: called when the last connection of a stopped listener is gone.
    """

    def __init__(
        self,
        config: Listener,
        server: ServerContext,
        next_connection_id: Callable[[], int],
        worker: int = 0,
        limit: ConnectionLimit | None = None,
        find_by_address: Callable[[Address], ActiveListener | None] = lambda address: None,
    ) -> None:
        """find_by_address: who listens, or stands for a listener without a socket, at an address."""
        self.config = config
        self._process = server
        self.server = _server_for(config, server)
        self.stat_prefix = stat_prefix(config.address, config.stat_prefix)
        self.connections: set[Connection] = set()
        self.bound: tuple[Address, ...] = ()
        self.stopped = False
        self.on_idle: Callable[[], None] | None = None
        self._drain: DrainDecision | None = None
        self._shortage: DrainDecision | None = None
        self._paused = False
        self._next_connection_id = next_connection_id
        self._limit = limit
        self._find_by_address = find_by_address
        self.scope = server.stats.scope(self.stat_prefix)
        self.stats = ListenerStats(self.scope, worker)
        self._most = config.connection_limit or 0  # it comes from the runtime, which does not change
        self._limited = _own_count(config, server)
        self._turns: Turns | None = None
        if config.exact_balance and server.shared is not None:
            self._turns = server.shared.turns(config.name)
        self._servers: list[asyncio.Server | LimitedAccepting] = []
        self._sockets: Sockets = {}

    async def listen(self, sockets: Sockets) -> None:
        """Take bound *sockets* over, at least one for each address, and accept from now on.  Raises OSError."""
        self.bound = tuple(bound_address(socks[0], address) for address, socks in sockets.items())
        await self._serve(sockets)

    async def _serve(self, sockets: Sockets) -> None:
        self._sockets = sockets
        for address, sock in _each(sockets):
            self._servers.append(await self._accept_on(address, sock))
            set_options(sock, self.config, address, LISTENING)

    async def _accept_on(self, address: Address, sock: socket.socket) -> asyncio.Server | LimitedAccepting:
        loop, length = self.server.loop, backlog(self.config)
        if self._turns is not None:
            return BalancedAccepting(loop, sock, length, self.new_connection, self._turns)
        most = self.config.max_connections_to_accept_per_socket_event
        if most is not None:
            return LimitedAccepting(loop, sock, length, self.new_connection, most)
        if not isinstance(address, PipeAddress):
            return await loop.create_server(self.new_connection, sock=sock, backlog=length)
        if sys.version_info >= (3, 13):
            # Another process may go on listening: its file must not go with us.
            return await loop.create_unix_server(self.new_connection, sock=sock, backlog=length, cleanup_socket=False)
        return await loop.create_unix_server(self.new_connection, sock=sock, backlog=length)

    @property
    def owned(self) -> tuple[Address, ...]:
        """The addresses whose connections may be handed over to it: bound or, without a port of its own, as configured."""
        return self.bound or addresses(self.config)

    @property
    def sockets(self) -> list[tuple[Address, socket.socket]]:
        """Those it accepts on, with where they are bound."""
        return [(bound_address(sock, address), sock) for address, sock in _each(self._sockets)]

    def stop(self) -> None:
        """Accept no more.  Connections live on."""
        self.stopped = True
        self._close_servers()
        if self._paused:
            self._close_sockets()

    def _close_servers(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()

    def _close_sockets(self) -> None:
        for _, sock in _each(self._sockets):
            sock.close()

    async def pause_accepting(self, paused: bool) -> None:
        """While it pauses, the kernel lets connections wait as long as there is room in the backlog."""
        if self.stopped or paused is self._paused or (paused and self.config.bypass_overload_manager):
            return
        self._paused = paused
        if paused:
            # The loop closes the sockets that it was given; a second descriptor keeps what it stands for open, and listening.
            self._sockets = {address: tuple(sock.dup() for sock in socks) for address, socks in self._sockets.items()}
            self._close_servers()
        else:
            await self._serve(self._sockets)

    def update(self, config: Listener, drain: DrainDecision) -> list[Connection]:
        """New connections get *config*.  Returns those whose filter chain is gone; they are draining from now on."""
        if config.bypass_overload_manager is not self.config.bypass_overload_manager:
            self.server = _server_for(config, self._process)
        self.config = config
        kept = {chain.identity for chain in chains_of(config)}
        chains = {id(connection.filter_chain): connection.filter_chain for connection in self.connections}
        gone = {number for number, chain in chains.items() if chain.identity not in kept}
        leaving = [each for each in self.connections if each.leaving is None and id(each.filter_chain) in gone]
        start_draining([each for each in leaving if each.drain is None or each.drain.by_overload], drain)
        return leaving

    def start_draining(self, drain: DrainDecision) -> None:
        """Ask all connections to end, those to come as well."""
        self._drain = drain
        start_draining(list(self.connections), drain)

    def stop_draining(self) -> None:
        self._drain = None
        for connection in self.connections:
            if connection.leaving is None:
                connection.drain = self._shortage

    def ask_to_end(self, shortage: DrainDecision | None) -> None:
        """While a resource runs short.  A drain that is under way goes on, and one that begins takes its place."""
        if self.config.bypass_overload_manager:
            shortage = None
        self._shortage = shortage
        for connection in self.connections:
            if connection.drain is None or connection.drain.by_overload:
                connection.drain = shortage

    def close_connections(self) -> None:
        for connection in list(self.connections):
            connection.give_up(_REMOVED)

    def close_idle(self) -> None:
        """Close connections without work under way."""
        for connection in list(self.connections):
            if connection.filter is not None:
                connection.filter.close_if_idle()

    def choose_filter_chain(self, connection: Connection, inspected: Inspected | None) -> FilterChain | None:
        local, remote = connection.local_address, connection.remote_address
        if inspected is None:
            chain = find_filter_chain(self.config, local, remote)
        else:
            chain = find_filter_chain(
                self.config,
                local,
                remote,
                direct_remote=connection.downstream_direct_remote_address,
                server_name=inspected.server_name,
                transport_protocol=inspected.transport_protocol,
                application_protocols=inspected.application_protocols,
            )
        if chain is None:
            self.stats.no_filter_chain_match.inc()
        return chain

    def on_accepted(self, connection: Connection) -> None:
        self.connections.add(connection)
        if self._turns is not None:
            self._turns.add(1)
        connection.drain = self._drain or self._shortage

    def on_established(self, connection: Connection) -> None:
        stats = self.stats
        stats.cx_total.inc()
        stats.cx_active.inc()
        stats.worker_cx_total.inc()
        stats.worker_cx_active.inc()

    def on_closed(self, connection: Connection) -> None:
        if connection.leaving is not None:
            connection.leaving.forget(connection)
        if connection.limit is not None:
            connection.limit.give_back()
        if connection.is_established:
            self._count_end(connection)
        for logger in connection.listener.access_log:
            logger.log(FormatterContext(connection))
        self._forget(connection)

    def _count_end(self, connection: Connection) -> None:
        stats = self.stats
        stats.cx_destroy.inc()
        stats.cx_active.dec()
        stats.worker_cx_active.dec()
        stats.cx_length_ms.record(round((connection.end_at - connection.start_at) * 1000))

    def _forget(self, connection: Connection) -> None:
        self.connections.discard(connection)
        if self._limited is not None:
            self._limited.add(-1)
        if self._turns is not None:
            self._turns.add(-1)
        if self.stopped and not self.connections and self.on_idle is not None:
            self.on_idle()

    def hand_over(self, connection: Connection, destination: Address) -> ActiveListener | None:
        """See listener.connection.Acceptor."""
        found = self._find_by_address(destination)
        if found is not None:
            found.on_accepted(connection)
            if found is not self:
                if found._limited is not None:
                    found._limited.add(1)
                self._forget(connection)
        return found

    def drop_stats(self) -> None:
        """Forget the counters: the listener is gone for good."""
        self.scope.store.drop(self.scope.prefix)  # HTTP connection managers count below it, too

    def new_connection(self) -> asyncio.Protocol:
        """The protocol of a connection that was accepted."""
        levels = self.server.overload
        if levels is not None and self._rejects(levels):
            self.stats.cx_overload_reject.inc()
            return Unwanted()
        limit = None if self.config.ignore_global_conn_limit or self.config.bypass_overload_manager else self._limit
        if limit is not None and not limit.take():
            self.stats.global_cx_overflow.inc()
            return Unwanted()
        if self._limited is not None and not self._limited.take(self._most):
            self.stats.cx_overflow.inc()
            if limit is not None:
                limit.give_back()
            return Unwanted()
        connection = Connection(self, self._next_connection_id())
        connection.limit = limit
        return connection

    def _rejects(self, levels: OverloadLevels) -> bool:
        if levels.reject_connections and random() < levels.reject_connections:
            return True
        point = levels.points.get(ACCEPT)
        return point is not None and point.sheds()

    def __repr__(self) -> str:
        state = "stopped" if self.stopped else "accepting"
        return f"<ActiveListener {self.config.name} {state}, {len(self.connections)} connections>"


def _server_for(config: Listener, server: ServerContext) -> ServerContext:
    """A listener that bypasses the overload manager sees none, nor do its connections."""
    return replace(server, overload=None) if config.bypass_overload_manager and server.overload is not None else server


def _own_count(config: Listener, server: ServerContext) -> Count | None:
    """Of the connections of a listener that has a limit of its own."""
    if config.connection_limit is None:
        return None
    shared = None if server.shared is None else server.shared.listener(config.name)
    return LocalCount() if shared is None else shared


def start_draining(connections: Iterable[Connection], drain: DrainDecision) -> None:
    for connection in connections:
        connection.drain = drain
        if connection.filter is not None:
            connection.filter.on_drain()


def _each(sockets: Sockets) -> list[tuple[Address, socket.socket]]:
    """With the address that they were asked for."""
    return [(address, sock) for address, socks in sockets.items() for sock in socks]
