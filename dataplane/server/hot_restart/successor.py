"""The old process's side of a hot restart: answers whoever comes with the next restart epoch.

Here: the dialogue.  Not here: how a process drains or what it counts; that comes as functions.
Order, as in Envoy: the admin address is given up, sockets are handed over, the statistics are told, then we drain, then we end.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dataplane.server.channel import JSON, Channel
from dataplane.server.hot_restart.names import VERSION, is_trusted

_log = logging.getLogger("main")


@dataclass(frozen=True, slots=True)
class Handover:
    """What a process can do for its successor.

    started_wall: when the first process of all epochs began.  sockets: bound addresses and descriptors, by worker.
    stats: totals by kind.  abandoned: the successor is gone; whether it had taken over.
    """

    started_wall: Callable[[], float]
    stop_admin: Callable[[], Awaitable[None]]
    sockets: Callable[[], Sequence[tuple[str, int]]]
    stats: Callable[[], Awaitable[dict[str, dict[str, int]]]]
    drain: Callable[[], None]
    end: Callable[[], None]
    abandoned: Callable[[bool], Awaitable[None]]


class SuccessorPort:
    """Listens for a successor until it is closed.  One at a time: a second one is not served while the first lives."""

    def __init__(self, listening: socket.socket, handover: Handover) -> None:
        self._listening = listening
        self._handover = handover
        self._channel: Channel | None = None
        self._questions: asyncio.Queue[str] = asyncio.Queue()
        self._answering: asyncio.Task[None] | None = None
        self._drained = False
        asyncio.get_running_loop().add_reader(listening, self._accept)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._listening)
        name = self._listening.getsockname()
        self._listening.close()
        if isinstance(name, str) and name:
            os.unlink(name)
        if self._channel is not None:
            self._channel.close()
        if self._answering is not None:
            self._answering.cancel()

    def _accept(self) -> None:
        peer, _ = self._listening.accept()
        if self._channel is not None or not is_trusted(peer):
            _log.warning("refused a process that wants to take over")
            peer.close()
            return
        _log.warning("a new process takes over")
        self._channel = Channel(peer, self._on_message, self._on_end, JSON)
        self._answering = asyncio.create_task(self._answer(self._channel), name="successor")

    def _on_message(self, message: Any, descriptors: list[int]) -> None:
        self._questions.put_nowait(str(message.get("ask")))

    async def _answer(self, channel: Channel) -> None:
        while True:
            question = await self._questions.get()
            answer: dict[str, object] = {}
            descriptors: list[int] = []
            match question:
                case "hello":
                    answer = {"version": VERSION, "started": self._handover.started_wall()}
                case "admin":
                    await self._handover.stop_admin()
                case "sockets":
                    sockets = self._handover.sockets()
                    answer = {"addresses": [address for address, _ in sockets]}
                    descriptors = [descriptor for _, descriptor in sockets]
                case "stats":
                    answer = {"stats": await self._handover.stats()}
                case "drain":
                    self._drained = True
                    self._handover.drain()
                case "end":
                    self._handover.end()
            channel.send({"told": question, **answer}, descriptors)

    def _on_end(self) -> None:
        self._channel = None
        if self._answering is not None:
            self._answering.cancel()
        self._answering = asyncio.create_task(self._abandon(), name="no successor")

    async def _abandon(self) -> None:
        await self._handover.abandoned(self._drained)
