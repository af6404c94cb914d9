"""`--mode serve`: one process with one event loop, from its options to its exit code.

Here: loading, logging, signals, the loop.  Not here: the parts and how they meet (assembly).
Envoy: operations/cli, SIGTERM, SIGUSR1.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Sequence

import uvloop

from dataplane.base.errors import ConfigError
from dataplane.base.version import product_version, version_string
from dataplane.bootstrap.load import LoadedBootstrap
from dataplane.server.assembly import Server
from dataplane.server.hot_restart.epochs import claim
from dataplane.server.hot_restart.names import BaseIdTaken
from dataplane.server.hot_restart.predecessor import NoPredecessor
from dataplane.server.loading import InvalidBootstrap, load_bootstrap
from dataplane.server.options import Options
from dataplane.server.process_log import configure_log
from dataplane.server.workers.spawn import Spawned
from dataplane.validation import bootstrap_warnings

_log = logging.getLogger("main")


def serve(options: Options, spawned: Sequence[Spawned] = ()) -> int:
    """Run until told to stop.  Exit code 0, or 1 where it could not start.  spawned: processes for workers; they end with this one."""
    configure_log(options)
    try:
        loaded = load_bootstrap(options)
    except InvalidBootstrap as error:
        for problem in error.problems:
            _log.critical("error initializing configuration '%s': %s", options.config_path, problem)
        return 1
    for warning in bootstrap_warnings(loaded, deprecations=not options.skip_deprecated_logs):
        _log.warning("%s", warning)
    if options.mode == "init_only":
        print(f"configuration '{options.config_path}' OK")
        return 0
    try:
        options, successors = claim(options)
    except (BaseIdTaken, OSError) as error:
        _log.critical("%s", error)
        return 1
    return uvloop.run(_serve(options, loaded, spawned, successors))


async def _serve(options: Options, loaded: LoadedBootstrap, spawned: Sequence[Spawned], successors: socket.socket | None) -> int:
    server = Server(options, loaded, spawned, successors)
    if server.config.log_pattern:
        configure_log(options, server.config.log_pattern)
    _log.info("initializing pointsman %s (%s)", product_version(), version_string())
    for name in options.ignored:
        _log.debug("the flag --%s has no effect here", name.replace("_", "-"))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, server.lifecycle.terminate)
    loop.add_signal_handler(signal.SIGINT, server.lifecycle.terminate)
    loop.add_signal_handler(signal.SIGUSR1, server.lifecycle.reopen_logs)
    running = asyncio.create_task(server.run(), name="server")
    ending = asyncio.create_task(server.lifecycle.over.wait(), name="over")
    await asyncio.wait({running, ending}, return_when=asyncio.FIRST_COMPLETED)
    failed = running.done()  # it serves until it is cancelled
    if failed:
        _report(running.exception())
    ending.cancel()
    while not running.done():
        running.cancel()  # asyncio.wait_for of Python 3.11 may swallow one that comes while what it waits for is done
        await asyncio.wait({running}, timeout=1.0)
    await server.stop()
    _log.info("exiting")
    sys.stdout.flush()
    return 1 if failed else 0


def _report(error: BaseException | None) -> None:
    """What an operator can mend is one line; anything else is a bug and comes with its traceback."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, (ConfigError, NoPredecessor, OSError)):
        _log.critical("%s", error)
    else:
        _log.critical("the server failed", exc_info=error)
