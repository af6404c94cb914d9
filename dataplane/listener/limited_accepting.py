"""Accepting a few connections at a time, so that those that are there get their turn in between.

Without a limit the loop's own servers accept, and take all that wait.
Envoy: Listener.max_connections_to_accept_per_socket_event.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from typing import Final

log = logging.getLogger("config")

_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PAUSE: Final = 1.0  # seconds without accepting where the system has run out of something, as asyncio does


class LimitedAccepting:
    """Of one listening socket, which it owns.  most: connections for each time that the socket is found readable."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        backlog: int,
        factory: Callable[[], asyncio.Protocol],
        most: int,
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._factory = factory
        self._most = most
        self._beginning: set[asyncio.Task[object]] = set()
        self._closed = False
        sock.listen(backlog)
        self._resume()

    def close(self) -> None:
        """As asyncio.Server.close."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._sock)
            self._sock.close()

    def _resume(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._sock, self._on_readable)

    def _on_readable(self) -> None:
        for _ in range(self._most):
            try:
                accepted, _peer = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                log.warning("cannot accept: %s", error)
                self._loop.remove_reader(self._sock)
                self._loop.call_later(_PAUSE, self._resume)
                return
            self._begin(accepted)

    def _begin(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        task: asyncio.Task[object] = self._loop.create_task(self._loop.connect_accepted_socket(self._factory, accepted))
        self._beginning.add(task)
        task.add_done_callback(self._on_begun)

    def _on_begun(self, task: asyncio.Task[object]) -> None:
        self._beginning.discard(task)
