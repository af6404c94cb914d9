"""The admin endpoint: an aiohttp.web application on the bootstrap's admin address.

Here: the table of commands, the rule that what changes something is a POST, opening and closing.  Not here: the commands (handlers).
Envoy: operations/admin.
"""

from __future__ import annotations

import logging
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from aiohttp import web

from dataplane.admin import reply
from dataplane.admin.context import AdminContext
from dataplane.admin.handlers import certs, clusters, config_dump, control, index, listeners, server, stats
from dataplane.admin.handlers import logging as logging_handler
from dataplane.admin.request_log import request_log
from dataplane.base.address import Address, PipeAddress, SocketAddress

Handler = Callable[[AdminContext, web.Request], web.Response]
AsyncHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger("admin")


@dataclass(frozen=True, slots=True)
class Command:
    """One path.  changes: it changes the process, so it must be a POST.  of_workers: what it shows of other processes, if there are some."""

    path: str
    purpose: str
    handler: Handler
    changes: bool = False
    of_workers: Literal["", "stats", "clusters"] = ""


COMMANDS: Final = (
    Command("/certs", "print certs on machine", certs.certs),
    Command("/clusters", "upstream cluster status", clusters.clusters, of_workers="clusters"),
    Command("/config_dump", "dump current configs", config_dump.config_dump),
    Command("/drain_listeners", "drain listeners", control.drain_listeners, changes=True),
    Command("/healthcheck/fail", "cause the server to fail health checks", control.healthcheck_fail, changes=True),
    Command("/healthcheck/ok", "cause the server to pass health checks", control.healthcheck_ok, changes=True),
    Command("/hot_restart_version", "print the hot restart compatibility version", server.hot_restart_version),
    Command("/listeners", "print listener info", listeners.listeners),
    Command("/logging", "query/change logging levels", logging_handler.logging, changes=True),
    Command("/memory", "print current allocation/heap usage", server.memory, of_workers="stats"),
    Command("/quitquitquit", "exit the server", control.quitquitquit, changes=True),
    Command("/ready", "print server state, return 200 if LIVE, otherwise return 503", server.ready),
    Command("/reopen_logs", "reopen access logs", control.reopen_logs, changes=True),
    Command("/reset_counters", "reset all counters to zero", control.reset_counters, changes=True),
    Command("/runtime", "print runtime values", server.runtime),
    Command("/server_info", "print server version/status information", server.server_info),
    Command("/stats", "print server stats", stats.stats, of_workers="stats"),
    Command("/stats/prometheus", "print server stats in prometheus format", stats.prometheus, of_workers="stats"),
)


class AdminServer:
    """Opens with `start`, which raises OSError where the address is taken."""

    def __init__(self, context: AdminContext) -> None:
        self._context = context
        self._runner: web.AppRunner | None = None
        self.address: Address | None = None

    async def start(self, address: Address) -> None:
        application = web.Application(client_max_size=1 << 20)
        for command in COMMANDS:
            application.router.add_route("*", command.path, self._bind(command))
        overview = index.help_text(COMMANDS)
        application.router.add_get("/help", _constant(lambda: reply.text(overview)))
        application.router.add_get("/", _constant(lambda: reply.html(index.home(COMMANDS))))
        application.router.add_route("*", "/{path:.*}", _constant(lambda: reply.text(f"invalid path. {overview}", status=404)))
        # Without loggers aiohttp has nothing to call, and builds no line of its own.
        log = _log if self._context.access_loggers else None
        log_class = request_log(self._context.access_loggers)
        self._runner = web.AppRunner(application, access_log=log, access_log_class=log_class, handle_signals=False)
        await self._runner.setup()
        listening = _listen(address)
        self.address = _bound(listening, address)
        await web.SockSite(self._runner, listening).start()
        _log.info("admin address: %s", self.address)

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def _bind(self, command: Command) -> AsyncHandler:
        async def handle(request: web.Request) -> web.Response:
            if command.changes and request.method != "POST":
                return reply.text(f"Method {request.method} not allowed, POST required.", status=405)
            workers = self._context.workers
            if workers is not None and command.of_workers:
                await workers.ask(command.of_workers)
            return command.handler(self._context, request)

        return handle


def _constant(make: Callable[[], web.Response]) -> AsyncHandler:
    async def handle(request: web.Request) -> web.Response:
        return make()

    return handle


def _listen(address: Address) -> socket.socket:
    if isinstance(address, PipeAddress):
        return _listen_pipe(address)
    assert isinstance(address, SocketAddress), "compile refuses an internal address here"
    listening = socket.socket(socket.AF_INET6 if address.is_ipv6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address.host, address.port))
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


def _listen_pipe(address: PipeAddress) -> socket.socket:
    """A socket that a dead process left is replaced, any other file is not; the abstract namespace (leading @) has no files."""
    abstract = address.path.startswith("@")
    path = "\0" + address.path[1:] if abstract else address.path
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if not abstract and os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)
        listening.bind(path)
        if address.mode and not abstract:
            os.chmod(path, address.mode)
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


def _bound(listening: socket.socket, address: Address) -> Address:
    """The address with the port that the kernel chose."""
    if isinstance(address, SocketAddress):
        return SocketAddress(address.host, listening.getsockname()[1])
    return address
