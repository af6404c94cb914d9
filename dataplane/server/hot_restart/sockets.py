"""Listening sockets that came from the process before this one: used where a listener wants their address, instead of new ones.

What waits in their queues is accepted here; since they are the same sockets, there is no moment in which nobody listens.
Envoy: HotRestart::duplicateParentListenSocket, by the bound address; so a listener on port 0 always gets a new port.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable

from dataplane.base.address import Address
from dataplane.listener.options import bind_one
from dataplane.snapshot.listener import Listener


class HandedSockets:
    """Implements listener.manager.BindSockets."""

    def __init__(self) -> None:
        self._by_address: dict[str, list[socket.socket]] = {}

    def take(self, sockets: Iterable[tuple[str, int]]) -> None:
        """sockets: bound address and descriptor; of one address in the order of workers."""
        for address, descriptor in sockets:
            self._by_address.setdefault(address, []).append(socket.socket(fileno=descriptor))

    def __call__(self, address: Address, listener: Listener) -> tuple[socket.socket, ...]:
        """All of an address: the kernel goes on spreading connections over them, so that even one worker has to accept from each."""
        return tuple(self._by_address.pop(address.text, ())) or bind_one(address, listener)

    def close(self) -> None:
        """Nobody wants the rest: their listeners are gone."""
        for sockets in self._by_address.values():
            for each in sockets:
                each.close()
        self._by_address.clear()
