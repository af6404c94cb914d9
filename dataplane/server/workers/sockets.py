"""Listening sockets of all workers: made and kept by the main process, which never accepts on them.

Here: binding, which socket is whose, drains, `/listeners`.  Not here: accepting (listener.manager, in the workers).
A worker that dies leaves its sockets open here: what waits in their queues is accepted by its replacement, and nothing is refused meanwhile.
With `reuse_port` every worker has a socket of its own and the kernel spreads connections; without it, with `exact_balance`, and for Unix
sockets all share one.
Where a process before this one had more workers, some have several.
Takes the place of listener.manager.ListenerManager in the main process.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from dataplane.base.address import Address, PipeAddress
from dataplane.listener.listener import addresses
from dataplane.listener.manager import BindSockets, ListenerStatus, same_addresses
from dataplane.listener.options import bind_one, bound_address
from dataplane.listener.stats import ListenerManagerStats
from dataplane.server.workers.board import Board, Key
from dataplane.server.workers.messages import Drain
from dataplane.snapshot.diff import diff

if TYPE_CHECKING:
    from dataplane.observe.stats import StatsStore
    from dataplane.snapshot.listener import Listener
    from dataplane.snapshot.snapshot import Snapshot

_log = logging.getLogger("config")

Shares = tuple[socket.socket, ...]
"""The sockets of one address; see `share_of`."""


class Accepting(Protocol):
    """Those who accept on the sockets."""

    @property
    def connections(self) -> int: ...

    @property
    def closed(self) -> bool: ...

    def wake(self) -> None: ...


class KeptSockets:
    """bind: where sockets come from."""

    def __init__(
        self,
        workers: int,
        board: Board,
        fleet: Accepting,
        stats: StatsStore,
        bind: BindSockets = bind_one,
    ) -> None:
        self._workers = workers
        self._board = board
        self._fleet = fleet
        self._bind = bind
        self._stats = ListenerManagerStats(stats)
        self._stats.workers_started.set(1)  # as in Envoy: that they were, not how many
        self._configs: dict[str, Listener] = {}
        self._sockets: dict[str, dict[Address, Shares]] = {}
        self._bound: dict[str, tuple[Address, ...]] = {}  # of listeners that have no sockets any more, too
        self._drain = Drain()

    @property
    def connections(self) -> int:
        """How many the workers have; while they have not confirmed that no more will come, at least one in a shutdown."""
        connections = self._fleet.connections
        return max(connections, 1) if self._drain.closed and not self._fleet.closed else connections

    @property
    def status(self) -> tuple[ListenerStatus, ...]:
        """In the order they were added; those that nobody accepts on any more are still configured."""
        return tuple(
            ListenerStatus(name, self._bound.get(name) or addresses(config), config, 0) for name, config in self._configs.items()
        )

    def bind(self, listeners: Mapping[str, Listener]) -> dict[str, OSError]:
        """As listener.manager.ListenerManager.bind."""
        failed: dict[str, OSError] = {}
        for name, config in listeners.items():
            active = self._configs.get(name)
            if not config.bind_to_port or self._closed(config) or (active is not None and same_addresses(active, config)):
                continue
            try:
                sockets = self._bind_all(config)
            except OSError as error:
                self._stats.create_failure.inc()
                _log.warning("listener %s: cannot bind %s: %s", name, config.address, error)
                failed[name] = error
                continue
            self._stats.create_success.inc(self._workers)
            self._release(name)
            self._sockets[name] = sockets
            self._bound[name] = _bound(sockets)
            for address, shares in sockets.items():
                self._board.put(Key("socket", name, address=address), shares)
            if active is not None:
                self._configs[name] = config  # its addresses are these now, whatever becomes of this generation
        return failed

    async def apply(self, previous: Snapshot, current: Snapshot) -> None:
        """Follow the difference.  What is closed here stays open in the workers until they have followed."""
        changes = diff(previous.listeners, current.listeners)
        for name, config in changes.added.items():
            if not config.api_listener and (not config.bind_to_port or name in self._sockets):
                self._configs[name] = config
                self._stats.added.inc()
                _log.info("listener %s: listening on %s", name, ", ".join(map(str, self._bound.get(name, ()))))
        for name, config in changes.changed.items():
            if name in self._configs:
                self._configs[name] = config
                self._stats.create_success.inc(self._workers * same_addresses(previous.listeners[name], config))
                self._stats.modified.inc()
                self._stats.in_place_updated.inc(same_addresses(previous.listeners[name], config))
        for name in changes.removed:
            if self._configs.pop(name, None) is not None:
                self._stats.removed.inc()
                _log.info("listener %s: removed", name)
            self._release(name)
            self._bound.pop(name, None)
        self._stats.active.set(len(self._configs))

    def start_draining(
        self,
        drain_time: float | None = None,
        gradual: bool | None = None,
        inbound_only: bool = False,
        spares_modify_only: bool = False,
    ) -> None:
        self._tell(
            replace(
                self._drain,
                asked=True,
                seconds=drain_time,
                gradual=gradual,
                inbound_only=inbound_only,
                spares_modify_only=spares_modify_only,
            )
        )

    def stop_draining(self) -> None:
        self._tell(replace(self._drain, asked=False))

    @property
    def sockets(self) -> list[tuple[Address, socket.socket]]:
        """Every socket that somebody accepts on, with where it is bound; of one address in the order of workers."""
        return [
            (bound_address(each, address), each)
            for sockets in self._sockets.values()
            for address, shares in sockets.items()
            for each in shares
        ]

    def stop_accepting(self, inbound_only: bool = False) -> None:
        """The workers close their sockets when they hear of it; the last to close one is us or they."""
        for name, config in list(self._configs.items()):
            if not inbound_only or config.traffic_direction == 1:
                self._stats.stopped.inc()
                self._release(name)
        self._tell(replace(self._drain, closed=True, closed_inbound_only=inbound_only))

    def close_idle(self) -> None:
        """The workers look themselves, from the first time on."""
        if not self._drain.ending:
            self._tell(replace(self._drain, ending=True))

    def stop(self) -> None:
        for name in list(self._sockets):
            self._release(name)

    def _tell(self, drain: Drain) -> None:
        self._drain = drain
        self._board.put(Key("drain"), drain)
        self._fleet.wake()

    def _closed(self, config: Listener) -> bool:
        return self._drain.closed and (not self._drain.closed_inbound_only or config.traffic_direction == 1)

    def _release(self, name: str) -> None:
        for address, shares in self._sockets.pop(name, {}).items():
            self._board.drop(Key("socket", name, address=address))
            _close(shares)

    def _bind_all(self, config: Listener) -> dict[Address, Shares]:
        sockets: dict[Address, Shares] = {}
        try:
            for address in addresses(config):
                sockets[address] = self._bind_shares(address, config)
        except OSError:
            for shares in sockets.values():
                _close(shares)
            raise
        return sockets

    def _bind_shares(self, address: Address, config: Listener) -> Shares:
        shares = list(self._bind(address, config))
        if isinstance(address, PipeAddress) or not config.reuse_port or config.exact_balance:
            return tuple(shares)
        bound = bound_address(shares[0], address)  # the kernel chooses a port once
        try:
            while len(shares) < self._workers:
                shares += self._bind(bound, config)
        except OSError:
            _close(shares)
            raise
        return tuple(shares)


def share_of(shares: Shares, worker: int, workers: int) -> Shares:
    """Those that *worker* accepts on: every socket is somebody's, and whoever would have none shares the first."""
    return shares[worker::workers] or shares[:1]


def _bound(sockets: Mapping[Address, Shares]) -> tuple[Address, ...]:
    return tuple(bound_address(shares[0], address) for address, shares in sockets.items())


def _close(sockets: Iterable[socket.socket]) -> None:
    for each in sockets:
        each.close()
