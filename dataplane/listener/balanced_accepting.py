"""Accepting in turns: all workers wait at one socket, and the one that has the fewest connections takes the next.

Here: waiting for the turn.  Not here: whose it is (base.turns).
Envoy: Listener.ConnectionBalanceConfig.exact_balance, where whoever accepts hands the connection to the thread with the fewest.  Differs:
nobody hands anything over, so that a worker that stands still does not get what it cannot serve: after a moment somebody else takes it,
and soon nobody waits for that worker any more.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from dataplane.base.turns import Turns
from dataplane.listener.limited_accepting import LimitedAccepting

# How long those wait whose turn it is not.  A worker that is busy comes back to its sockets sooner, one that stands still does not.
_PATIENCE: Final = 0.1

# Who has not said in so many seconds that its loop turns, takes no turns.  They say it ten times a second.
_STILL: Final = 0.5


class BalancedAccepting(LimitedAccepting):
    """Of one listening socket, which it owns."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        backlog: int,
        factory: Callable[[], asyncio.Protocol],
        turns: Turns,
    ) -> None:
        self._turns = turns
        self._accepted_before = -1  # by all, when it began to wait; -1: it does not wait
        self._looked_at = loop.time()
        self._waiting: asyncio.TimerHandle | None = None
        super().__init__(loop, sock, backlog, factory, most=1)  # everybody looks anew whose turn it is for each connection

    def close(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        super().close()

    def _on_readable(self) -> None:
        before, self._accepted_before = self._accepted_before, -1
        accepted, now = self._turns.accepted, self._loop.time()
        if now - self._looked_at >= _STILL:
            self._looked_at = now
            self._turns.leave_out_the_still()
        if accepted == before or self._turns.is_ours:
            super()._on_readable()
            return
        self._accepted_before = accepted
        self._loop.remove_reader(self._sock)
        self._waiting = self._loop.call_later(_PATIENCE, self._resume)

    def _begin(self, accepted: socket.socket) -> None:
        """It counts at once: the connection itself does from the next rounds of the loop on."""
        self._turns.on_accepted()
        self._turns.add(1)
        super()._begin(accepted)

    def _on_begun(self, task: asyncio.Task[object]) -> None:
        super()._on_begun(task)
        self._turns.add(-1)
