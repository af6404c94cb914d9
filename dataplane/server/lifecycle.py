"""The life of the process: initializing, live, draining, over.

Here: what signals and the admin endpoint may cause, and the timetable of a shutdown.  Not here: connections (listener), signals (process).
Envoy: admin.v3.ServerInfo.State, operations/draining.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dataplane.admin.context import ServerState

if TYPE_CHECKING:
    from dataplane.listener.manager import ListenerManager
    from dataplane.observe.stats import StatsStore
    from dataplane.server.options import Options
    from dataplane.server.workers.sockets import KeptSockets

_log = logging.getLogger("main")

# Envoy differs: its SIGTERM cuts every connection at once.  Ours drains, but not for the ten minutes that --drain-time-s has as its default:
# container runtimes send SIGKILL after ten to thirty seconds.
SHUTDOWN_LIMIT: Final = 25.0

# How often a shutdown looks whether the last connection has gone.
_POLL: Final = 0.05


class ProcessLifecycle:
    """One per process.  `over` is set when it should end."""

    def __init__(
        self, listeners: ListenerManager | KeptSockets, options: Options, stats: StatsStore, reopen_logs: Callable[[], None]
    ) -> None:
        self._listeners = listeners
        self._options = options
        self._reopen_logs = reopen_logs
        self._initialized = False
        self._health_check_failed = False
        self._shutting_down = False
        self._handed_over = False
        self._draining = False
        self._live = stats.gauge("server.live")
        self._state = stats.gauge("server.state")
        self.over = asyncio.Event()
        self._show()

    @property
    def state(self) -> ServerState:
        if not self._initialized:
            return ServerState.INITIALIZING
        leaving = self._health_check_failed or self._shutting_down or self._handed_over
        return ServerState.DRAINING if leaving else ServerState.LIVE

    def initialized(self) -> None:
        """Everything that the bootstrap asks for is there, or was waited for long enough."""
        self._initialized = True
        _log.info("all dependencies initialized. starting workers")
        self._show()

    def drain_listeners(self, *, graceful: bool, inbound_only: bool, skip_exit: bool) -> None:
        """Without graceful the sockets close at once.  With it they close after the drain time; with skip_exit not at all.

        A drain that is under way goes on as it was asked for first.
        """
        if graceful or skip_exit:
            if self._draining:
                return
            self._draining = True
            self._listeners.start_draining(self._options.drain_time, self._gradual, inbound_only)
        if skip_exit:
            return
        if graceful:
            loop = asyncio.get_running_loop()
            loop.call_later(self._options.drain_time, self._listeners.stop_accepting, inbound_only)
        else:
            self._listeners.stop_accepting(inbound_only)

    def fail_health_check(self, failed: bool) -> None:
        """Not ready from now on; every answer asks its connection to end."""
        if failed and not self._health_check_failed:
            self._listeners.start_draining(0.0, False, spares_modify_only=True)
        elif not failed and self._health_check_failed and not self._is_leaving:
            self._listeners.stop_draining()
        self._health_check_failed = failed
        self._show()

    def hand_over(self) -> None:
        """Another process has our sockets: accept no more, and ask connections to go; those without work wait until they are asked."""
        self._handed_over = True
        self._show()
        self._listeners.start_draining(self._options.drain_time, self._gradual)
        self._listeners.stop_accepting()

    def reopen_logs(self) -> None:
        self._reopen_logs()

    def quit(self) -> None:
        """End at once, as Envoy's /quitquitquit."""
        _log.warning("caught QUIT from the admin endpoint")
        self.over.set()

    def terminate(self) -> None:
        """SIGTERM: not ready, nothing accepted, what is under way is finished; a second one ends it at once."""
        if self._shutting_down or not self._initialized:
            self.over.set()
            return
        self._shutting_down = True
        self._show()
        limit = min(self._options.drain_time, SHUTDOWN_LIMIT)
        _log.warning("shutting down: draining %d connections for at most %.0f s", self._listeners.connections, limit)
        self._listeners.start_draining(0.0, False)
        self._listeners.stop_accepting()
        loop = asyncio.get_running_loop()
        self._end_when_empty(loop, loop.time() + limit)

    def _end_when_empty(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        self._listeners.close_idle()  # again and again: what was under way leaves idle connections behind
        if self._listeners.connections and loop.time() < deadline:
            loop.call_later(_POLL, self._end_when_empty, loop, deadline)
            return
        self.over.set()

    @property
    def _is_leaving(self) -> bool:
        """A drain is under way that no health check takes back."""
        return self._draining or self._shutting_down or self._handed_over

    @property
    def _gradual(self) -> bool:
        return self._options.drain_strategy == "gradual"

    def _show(self) -> None:
        state = self.state
        self._live.set(1 if state is ServerState.LIVE else 0)
        self._state.set(state.value)
