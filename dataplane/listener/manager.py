"""All listeners of one event loop: they follow the snapshots.

Here: what is added, updated, drained and removed, and in which order.  Not here: one listener's work (listener.listener).
Order that must hold: sockets of a new generation are bound before it is published (`bind`), accepting starts after (`apply`), and old
sockets are closed last; so no address is ever without somebody who listens.
Envoy: operations/draining, configuration/listeners/lds.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from itertools import chain, count
from typing import TYPE_CHECKING

from dataplane.base.address import Address, InternalAddress, SocketAddress
from dataplane.listener.connection_limit import ConnectionLimit
from dataplane.listener.drain import Drain, Shortage
from dataplane.listener.leaving import Leaving
from dataplane.listener.listener import ActiveListener, addresses
from dataplane.listener.options import bind_one
from dataplane.listener.stats import ListenerManagerStats
from dataplane.resilience.overload import to_give_up
from dataplane.snapshot.diff import diff
from dataplane.snapshot.listener import MODIFY_ONLY

if TYPE_CHECKING:
    from dataplane.api.network_filter import ServerContext
    from dataplane.snapshot.listener import Listener
    from dataplane.snapshot.snapshot import Snapshot

log = logging.getLogger("config")

BindSockets = Callable[[Address, "Listener"], tuple[socket.socket, ...]]
"""One, or all that another process hands over: a process before this one may have had more workers.  Raises OSError."""


@dataclass(frozen=True, slots=True)
class ListenerStatus:
    """What the admin endpoint tells of a listener.  addresses: as bound, with the port that the kernel chose; else as configured."""

    name: str
    addresses: tuple[Address, ...]
    config: Listener
    connections: int


class ListenerManager:
    """Owns every downstream socket of its loop.

    drain_time: seconds over which connections that have to go are asked to close, and after which they are closed.
    gradual: spread over that time; otherwise with their next answer.  bind: where sockets come from (a worker inherits them).
    """

    def __init__(
        self,
        server: ServerContext,
        drain_time: float = 600.0,
        gradual: bool = True,
        worker: int = 0,
        bind: BindSockets = bind_one,
        limit: ConnectionLimit | None = None,
        acceptors: MutableMapping[str, Callable[[], asyncio.Protocol]] | None = None,
    ) -> None:
        """acceptors: by name, how clusters of this loop connect to listeners without an address; kept up to date."""
        self._server = server
        self._drain_time = drain_time
        self._gradual = gradual
        self._worker = worker
        self._bind = bind
        self._limit = limit
        self._acceptors = {} if acceptors is None else acceptors
        self._active: dict[str, ActiveListener] = {}
        self._leaving: set[ActiveListener] = set()
        self._bound: dict[str, dict[Address, tuple[socket.socket, ...]]] = {}
        self._next_connection_id = count().__next__
        self._stats = ListenerManagerStats(server.stats)
        self._stats.workers_started.set(1)
        self._draining = False
        self._closed = False  # for good: an update brings no new socket
        self._closed_inbound = False
        self._paused = False
        self._shortage: Shortage | None = None

    def bind(self, listeners: Mapping[str, Listener]) -> dict[str, OSError]:
        """Bind what *listeners* need and nobody has bound yet.  Returns, by listener, why it could not be had.

        A listener that is returned keeps its old addresses if it had some; the caller leaves it out of the generation or reports it.
        """
        failed: dict[str, OSError] = {}
        for name, config in listeners.items():
            active = self._active.get(name)
            if not config.bind_to_port or self._is_closed(config):
                continue
            if active is not None and same_addresses(active.config, config):
                continue
            before = self._bound.get(name)
            if before is not None:
                if tuple(before) == addresses(config):
                    continue
                _close(self._bound.pop(name).values())
            try:
                self._bound[name] = self._bind_all(config)
                self._stats.create_success.inc()
            except OSError as error:
                self._stats.create_failure.inc()
                log.warning("listener %s: cannot bind %s: %s", name, config.address, error)
                failed[name] = error
        return failed

    async def apply(self, previous: Snapshot, current: Snapshot) -> None:
        """Follow the difference.  Listeners that could not be bound are left as they were; `bind` has said so."""
        changes = diff(previous.listeners, current.listeners)
        self.bind({**changes.added, **changes.changed})
        for config in changes.added.values():
            await self._add(config)
        for config in changes.changed.values():
            await self._change(config)
        for name in changes.removed:
            self._remove(name)
        self._count()

    def start_draining(
        self,
        drain_time: float | None = None,
        gradual: bool | None = None,
        inbound_only: bool = False,
        spares_modify_only: bool = False,
    ) -> None:
        """Ask every connection to end.  New ones are still accepted, and asked to end with their first answers.

        spares_modify_only: leave listeners alone whose drain_type says that only changes of their configuration drain them.
        """
        self._draining = True
        drain = self._new_drain(drain_time, gradual)
        for listener in self._chosen(inbound_only):
            if not (spares_modify_only and listener.config.drain_type == MODIFY_ONLY):
                listener.start_draining(drain)

    def stop_draining(self) -> None:
        """Take `start_draining` back: connections that are still open stay."""
        self._draining = False
        for listener in self._active.values():
            listener.stop_draining()

    async def pause_accepting(self, paused: bool) -> None:
        """A resource runs short, or does no more: nothing is accepted meanwhile, and nobody refused."""
        self._paused = paused
        for listener in list(self._active.values()):
            await listener.pause_accepting(paused)

    def disable_keepalive(self, level: float) -> None:
        """A resource runs short: connections are asked to end with their next answer, by chance.  level: 0.0 none, 1.0 all."""
        self._shortage = Shortage(level) if level else None
        for listener in self._active.values():
            listener.ask_to_end(self._shortage)

    def on_times_changed(self) -> None:
        """Times are reduced, or no longer: connections look how much of theirs is left."""
        for listener in [*self._active.values(), *self._leaving]:
            for connection in list(listener.connections):
                connection.on_times_changed()

    def give_up_streams(self, smallest_power: int, level: float) -> None:
        """Memory runs short: those streams end that hold most of it."""
        streams = [
            stream
            for listener in [*self._active.values(), *self._leaving]
            for connection in listener.connections
            for stream in connection.holding()
        ]
        for index in to_give_up([held for held, _ in streams], smallest_power, level):
            self._server.stats.counter("envoy.overload_actions.reset_high_memory_stream.count").inc()
            streams[index][1]()

    def stop_accepting(self, inbound_only: bool = False) -> None:
        """Close the sockets; connections live on.

        As in Envoy it is for good: listeners that an update brings later are not opened.
        """
        self._closed_inbound = True
        self._closed = self._closed or not inbound_only
        for listener in self._chosen(inbound_only):
            if not listener.stopped:
                listener.stop()
                self._stats.stopped.inc()

    def close_idle(self) -> None:
        """The process ends: connections without work under way go now, the others when they are asked again."""
        for listener in [*self._active.values(), *self._leaving]:
            listener.close_idle()

    def stop(self) -> None:
        """The end: nothing is accepted, no connection survives."""
        for listener in [*self._active.values(), *self._leaving]:
            listener.stop()
            listener.close_connections()
        for sockets in self._bound.values():
            _close(sockets.values())
        self._bound.clear()

    @property
    def status(self) -> tuple[ListenerStatus, ...]:
        """In the order they were added; those that accept no more are still configured."""
        return tuple(
            ListenerStatus(name, active.owned, active.config, len(active.connections)) for name, active in self._active.items()
        )

    @property
    def connections(self) -> int:
        """How many are open, those of leaving listeners included."""
        return sum(len(listener.connections) for listener in [*self._active.values(), *self._leaving])

    @property
    def sockets(self) -> list[tuple[Address, socket.socket]]:
        """Every socket that accepts, with where it is bound."""
        return [each for active in self._active.values() if not active.stopped for each in active.sockets]

    async def _add(self, config: Listener) -> None:
        if config.api_listener or (config.bind_to_port and config.name not in self._bound):
            return
        listener = ActiveListener(
            config, self._server, self._next_connection_id, self._worker, self._limit, self._find_by_address
        )
        if self._draining:
            listener.start_draining(self._new_drain())
        await listener.listen(self._bound.pop(config.name, {}))
        self._active[config.name] = listener
        self._acceptors.pop(config.name, None)
        if isinstance(config.address, InternalAddress):
            self._acceptors[config.name] = listener.new_connection
        listener.ask_to_end(self._shortage)
        await listener.pause_accepting(self._paused)
        self._stats.added.inc()
        log.info("listener %s: listening on %s", config.name, ", ".join(map(str, listener.bound)))

    async def _change(self, config: Listener) -> None:
        active = self._active.get(config.name)
        if active is None:
            await self._add(config)
        elif same_addresses(active.config, config):
            self._update(active, config)
        elif config.name in self._bound or not config.bind_to_port:
            await self._add(config)
            self._leave(active)
            self._stats.modified.inc()

    def _update(self, active: ActiveListener, config: Listener) -> None:
        leaving = active.update(config, self._new_drain())
        self._stats.create_success.inc()  # as Envoy counts it, which makes a listener anew
        self._stats.modified.inc()
        self._stats.in_place_updated.inc()
        if leaving:
            # Nobody has to keep it: the connections do, as long as they last.
            Leaving(leaving, self._server.deadlines, self._drain_time, self._stats.filter_chains_draining)

    def _remove(self, name: str) -> None:
        active = self._active.pop(name, None)
        self._acceptors.pop(name, None)
        if active is not None:
            self._leave(active)
            self._stats.removed.inc()
            log.info("listener %s: removed", name)

    def _leave(self, listener: ActiveListener) -> None:
        """Let the connections of a listener that is gone end in their time."""
        listener.stop()
        if not listener.connections:
            return
        listener.start_draining(self._new_drain())
        self._leaving.add(listener)

        deadline = self._server.deadlines.arm(self._drain_time, listener.close_connections)

        def gone() -> None:
            deadline.cancel()
            self._leaving.discard(listener)
            self._count()

        listener.on_idle = gone

    def _bind_all(self, config: Listener) -> dict[Address, tuple[socket.socket, ...]]:
        sockets: dict[Address, tuple[socket.socket, ...]] = {}
        try:
            for address in addresses(config):
                sockets[address] = self._bind(address, config)
        except OSError:
            _close(sockets.values())
            raise
        return sockets

    def _find_by_address(self, address: Address) -> ActiveListener | None:
        """Who owns *address*: the listener at just this one, else the one at its port of every address."""
        wanted: list[Address] = [address]
        if isinstance(address, SocketAddress):
            wanted += [SocketAddress(host, address.port) for host in (("::",) if address.is_ipv6 else ("0.0.0.0", "::"))]  # noqa: S104
        for each in wanted:
            for listener in self._active.values():
                if not listener.stopped and each in listener.owned:
                    return listener
        return None

    def _is_closed(self, config: Listener) -> bool:
        return self._closed or (self._closed_inbound and config.traffic_direction == 1)

    def _new_drain(self, drain_time: float | None = None, gradual: bool | None = None) -> Drain:
        spread = self._gradual if gradual is None else gradual
        duration = self._drain_time if drain_time is None else drain_time
        return Drain(self._server.clock(), duration if spread else 0.0)

    def _chosen(self, inbound_only: bool) -> list[ActiveListener]:
        return [listener for listener in self._active.values() if not inbound_only or listener.config.traffic_direction == 1]

    def _count(self) -> None:
        self._stats.active.set(len(self._active))
        self._stats.draining.set(len(self._leaving))


def same_addresses(old: Listener, new: Listener) -> bool:
    return addresses(old) == addresses(new) and all(old.options_of(each) == new.options_of(each) for each in addresses(new))


def _close(sockets: Iterable[tuple[socket.socket, ...]]) -> None:
    for sock in chain.from_iterable(sockets):
        sock.close()
