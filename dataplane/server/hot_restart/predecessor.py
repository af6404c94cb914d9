"""The new process's side of a hot restart: asks the process of the epoch before it.

Here: the dialogue, one question after the other.  Not here: what is done with the answers (takeover).
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from dataplane.server.channel import JSON, Channel
from dataplane.server.hot_restart.names import VERSION, is_trusted


class NoPredecessor(Exception):
    """Nobody is there, or nobody that can be understood."""


class Predecessor:
    """Made by `reach`.  Raises NoPredecessor from every question once it is gone."""

    def __init__(self, sock: socket.socket) -> None:
        self._answers: asyncio.Queue[tuple[Any, list[int]] | None] = asyncio.Queue()
        self._channel = Channel(sock, lambda message, got: self._answers.put_nowait((message, got)), self._on_end, JSON)
        self._asking = asyncio.Lock()
        self.gone = False

    @classmethod
    def reach(cls, address: str) -> Predecessor:
        """address: hot_restart.names.address_of the epoch before ours.  Raises NoPredecessor."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(address)
            if not is_trusted(sock):
                raise NoPredecessor("the process of the epoch before belongs to another user")
        except OSError as error:
            sock.close()
            raise NoPredecessor(f"cannot reach the process of the epoch before: {error}") from error
        return cls(sock)

    async def hello(self) -> float:
        """When the first process of all epochs began."""
        answer, _ = await self._ask("hello")
        if answer["version"] != VERSION:
            raise NoPredecessor(f"the process of the epoch before speaks {answer['version']}, not {VERSION}")
        return float(answer["started"])

    async def stop_admin(self) -> None:
        """The admin address is free afterwards."""
        await self._ask("admin")

    async def sockets(self) -> list[tuple[str, int]]:
        """Bound addresses and descriptors, which are ours from now on."""
        answer, descriptors = await self._ask("sockets")
        return list(zip(answer["addresses"], descriptors, strict=True))

    async def stats(self) -> dict[str, dict[str, int]]:
        """Totals by kind (`counters`, `gauges`) and name."""
        answer, _ = await self._ask("stats")
        found: dict[str, dict[str, int]] = answer["stats"]
        return found

    async def drain(self) -> None:
        await self._ask("drain")

    async def end(self) -> None:
        await self._ask("end")

    def close(self) -> None:
        self.gone = True
        self._channel.close()

    async def _ask(self, question: str) -> tuple[Any, list[int]]:
        async with self._asking:
            if self.gone:
                raise NoPredecessor("the process of the epoch before is gone")
            self._channel.send({"ask": question})
            answer = await self._answers.get()
        if answer is None:
            raise NoPredecessor(f"the process of the epoch before ended before it answered {question!r}")
        return answer

    def _on_end(self) -> None:
        self.gone = True
        self._answers.put_nowait(None)
