"""This process among the epochs of a hot restart: it may have one before it, and one may come after it.

Here: when what is asked of the one before.  Not here: the two dialogues (predecessor, successor), names (names).
Envoy: operations/hot_restarter, --restart-epoch, --parent-shutdown-time-s.  The order of things: FLOW.md.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from dataplane.server.hot_restart.names import BaseIdTaken, address_of, listen, listen_anywhere
from dataplane.server.hot_restart.predecessor import NoPredecessor, Predecessor
from dataplane.server.hot_restart.sockets import HandedSockets
from dataplane.server.options import Options

_log = logging.getLogger("main")

Report = Mapping[str, Mapping[str, int]]


def claim(options: Options) -> tuple[Options, socket.socket | None]:
    """Take our place among the processes of this machine.  Returns the options with the base id that it got, and where successors knock.

    None: hot restart is off.  Raises BaseIdTaken, OSError.
    """
    if options.disable_hot_restart:
        return options, None
    path, mode = options.socket_path, options.socket_mode
    if options.use_dynamic_base_id:
        listening, base_id = listen_anywhere(path, mode)
        options = replace(options, base_id=base_id)
    else:
        try:
            listening = listen(path, mode, options.base_id, options.restart_epoch)
        except BaseIdTaken as error:
            # Envoy differs: it ends here.  Several proxies on one machine are common, and most are never restarted this way.
            if options.base_id_given or options.restart_epoch:
                raise
            _log.info("no hot restart: %s", error)
            return replace(options, disable_hot_restart=True), None
    if options.base_id_path:
        Path(options.base_id_path).write_text(str(options.base_id), encoding="utf-8")
    return options, listening


class Receiver(Protocol):
    """Who is told what the process before has counted: totals by kind."""

    def take_predecessor(self, report: Report) -> None: ...


class Takeover:
    """The way from the process before to this one.  Nothing happens in the first epoch."""

    def __init__(self, options: Options, handed: HandedSockets, receiver: Receiver | None, interval: float) -> None:
        """interval: seconds between two reports of what the process before has counted."""
        self._options = options
        self._handed = handed
        self._receiver = receiver
        self._interval = interval
        self._predecessor: Predecessor | None = None
        self.started_wall = time.time()
        """When the first process of all epochs began."""

    async def begin(self) -> None:
        """Get the sockets, and have the admin address given up.  Raises NoPredecessor."""
        options = self._options
        if not options.restart_epoch or options.disable_hot_restart:
            return
        try:
            self._predecessor = Predecessor.reach(address_of(options.socket_path, options.base_id, options.restart_epoch - 1))
        except NoPredecessor as error:
            if not options.skip_hot_restart_on_no_parent:
                raise
            _log.warning("%s; starting without it", error)
            return
        self.started_wall = await self._predecessor.hello()
        await self._predecessor.stop_admin()
        self._handed.take(await self._predecessor.sockets())

    async def finish(self) -> None:
        """Everything is served here now: let the process before drain, then end.  Returns when it is told to."""
        predecessor = self._predecessor
        if predecessor is None:
            return
        try:
            await self._hear(predecessor)
            await predecessor.drain()
            self._handed.close()
            await self._hear_until(predecessor, asyncio.get_running_loop().time() + self._options.parent_shutdown_time)
            await predecessor.end()
        except NoPredecessor as error:
            _log.info("%s", error)
        finally:
            predecessor.close()
            if self._receiver is not None:
                self._receiver.take_predecessor({"gauges": {}})

    async def _hear_until(self, predecessor: Predecessor, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        while (left := deadline - loop.time()) > 0:
            await asyncio.sleep(min(self._interval, left))
            await self._hear(predecessor)

    async def _hear(self, predecessor: Predecessor) -> None:
        if self._receiver is not None and not self._options.skip_hot_restart_parent_stats:
            self._receiver.take_predecessor(await predecessor.stats())
