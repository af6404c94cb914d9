"""A worker: a process of its own that carries traffic as the main process tells it.

Here: its life: waiting to be needed, starting, following facts, answering, ending.  Not here: the configuration (replica), stats (report).
It ends when the main process says so or is gone.  Signals that reach the whole group (Ctrl-C) are the main process's business.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import uvloop

from dataplane.compile.bootstrap import Bootstrap
from dataplane.extensions.filters.http import router  # noqa: F401 - what nearly every configuration names is had before it is needed
from dataplane.extensions.filters.network import http_connection_manager  # noqa: F401 - the same
from dataplane.listener.manager import ListenerManager
from dataplane.server.channel import Channel
from dataplane.server.engine import Engine, calm_collector
from dataplane.server.heap import keep_steady
from dataplane.server.process_log import configure_log
from dataplane.server.workers.messages import (
    Ask,
    Connections,
    Facts,
    Ready,
    ReopenLogs,
    ResetCounters,
    Start,
    Stop,
    Told,
)
from dataplane.server.workers.replica import Inherited, Replica
from dataplane.server.workers.report import Reporter
from dataplane.server.workers.shared_counts import Counts, CountTable, ToldBlocks
from dataplane.server.workers.shared_failures import FailureTable
from dataplane.upstream.findings import Findings

_log = logging.getLogger("main")

# How often a worker in a drain looks how many connections are left.
_LOOK: Final = 0.05

# How often it says at least that its loop turns: others go by it, too (base.turns).
_BEAT: Final = 0.1


def main(descriptor: int) -> None:
    """descriptor: of this end of the socket to the main process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    faulthandler.enable()  # the main process ends a worker that stands still by a signal that makes it say where
    uvloop.run(_run(descriptor))
    # Nothing is left to do, and what the interpreter would tidy up is freed by the system.
    os._exit(0)


async def _run(descriptor: int) -> None:
    await Worker(socket.socket(fileno=descriptor)).run()


class Worker:
    """Made inside the running loop."""

    def __init__(self, sock: socket.socket) -> None:
        self._over = asyncio.Event()
        self._following = asyncio.Event()  # the first configuration is in use
        self._facts: asyncio.Queue[tuple[Facts, list[int]]] = asyncio.Queue()
        self._asked: asyncio.Queue[Ask] = asyncio.Queue()
        self._started: asyncio.Future[tuple[Start, CountTable, FailureTable]] = asyncio.get_running_loop().create_future()
        self._engine: Engine | None = None
        self._channel = Channel(sock, self._on_message, self._over.set)
        self._channel.send(Ready())

    async def run(self) -> None:
        """Returns when everything is closed."""
        serving = asyncio.create_task(self._serve(), name="worker")
        ending = asyncio.create_task(self._over.wait(), name="over")
        await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done() and not serving.cancelled() and serving.exception() is not None:
            _log.critical("a worker failed", exc_info=serving.exception())
        for task in (serving, ending):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task

    def _on_message(self, message: Any, descriptors: list[int]) -> None:
        match message:
            case Start():
                counts, failures = descriptors
                workers = message.options.concurrency
                self._started.set_result((message, CountTable(counts, workers), FailureTable(failures, workers)))
            case Facts():
                self._facts.put_nowait((message, descriptors))
            case Ask():
                self._asked.put_nowait(message)
            case ReopenLogs() if self._engine is not None:
                self._engine.log_files.reopen()
            case ResetCounters() if self._engine is not None:
                self._engine.stats.reset_counters()
            case Stop():
                self._over.set()

    async def _serve(self) -> None:
        start, table, failures = await self._started
        configure_log(start.options)
        findings = Findings(self._channel.send, lambda block: failures.failures(block, start.index))
        inherited, blocks = Inherited(), ToldBlocks()
        counts = Counts(table, blocks, start.index)
        bootstrap = Bootstrap.FromString(start.bootstrap)
        engine = self._engine = Engine(start.options, bootstrap, findings, shared=counts, ticket_seed=start.ticket_seed)
        if engine.config.log_pattern:
            configure_log(start.options, engine.config.log_pattern)
        listeners = engine.listeners(start.index, inherited)
        replica = Replica(engine, listeners, inherited, findings, blocks)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow(replica), name="facts")
                tasks.create_task(self._keep_beating(lambda: table.beat(start.index), engine), name="beats")
                tasks.create_task(self._answer(engine, listeners), name="answers")
                tasks.create_task(self._count(replica, listeners), name="connections")
                tasks.create_task(engine.flush_stats(), name="stats flush")
                tasks.create_task(engine.flush_logs(), name="log flush")
                tasks.create_task(engine.watch_resources(listeners, os.getppid()), name="overload")
        finally:
            listeners.stop()
            engine.clusters.stop()
            engine.log_files.close()

    async def _follow(self, replica: Replica) -> None:
        while True:
            facts, descriptors = await self._facts.get()
            applied = await replica.apply(facts, descriptors)
            for reason in applied.refused:
                _log.error("not usable here: %s", reason)
            if not self._following.is_set():
                calm_collector()
                keep_steady()
                self._following.set()
            self._channel.send(applied)

    async def _keep_beating(self, beat: Callable[[], None], engine: Engine) -> None:
        """Say again and again that the loop turns, from the first configuration on: what comes before takes its time."""
        await self._following.wait()
        while True:
            beat()
            await asyncio.sleep(min(engine.config.watchdogs.worker.interval, _BEAT))

    async def _answer(self, engine: Engine, listeners: ListenerManager) -> None:
        reporter = Reporter(engine.stats)
        while True:
            question = await self._asked.get()
            if question.what == "stats":
                self._channel.send(Told(question.number, await reporter.report(listeners.connections)))
            else:
                self._channel.send(Told(question.number, engine.clusters.facts()))

    async def _count(self, replica: Replica, listeners: ListenerManager) -> None:
        """Tell of connections that are left while they are asked to go; otherwise reports say how many there are."""
        while True:
            await replica.draining.wait()
            if replica.ending:
                listeners.close_idle()
            self._channel.send(Connections(listeners.connections, replica.closed))
            await asyncio.sleep(_LOOK)
