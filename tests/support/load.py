"""Steady load that looks at every answer: keep-alive connections with one request under way each.

A connection is opened anew only after an answer that announced its close; any other end of a connection is a failure.
"""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from tests.support.waiting import PATIENCE

# Between an answer and the next request of the same connection: many requests, but not all the processor.
PACE = 0.004


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def __str__(self) -> str:
        return f"{self.status} {self.headers} {self.body[:200]!r}"


Check = Callable[[Answer], str | None]
"""Says what is wrong with an answer, or None."""


def ok(answer: Answer) -> str | None:
    return None if answer.status == 200 else str(answer)


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Read one answer with a content-length.  Raises IncompleteReadError when the connection ends first."""
    head = await reader.readuntil(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")[:-2]
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(status_line.split(" ")[1]), headers, body)


class Load:
    """Use as an asynchronous context manager: load is on inside the block; `failures` is complete after it."""

    def __init__(self, port: int, connections: int = 4, path: str = "/", check: Check = ok, fresh: bool = False) -> None:
        """fresh: each request comes on a connection of its own."""
        self._port = port
        once = "connection: close\r\n" if fresh else ""
        self._request = f"GET {path} HTTP/1.1\r\nhost: load.test\r\n{once}\r\n".encode()
        self._check = check
        self._connections = connections
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self.answers = 0
        self.failures: collections.Counter[str] = collections.Counter()

    async def __aenter__(self) -> Load:
        self._tasks = [asyncio.create_task(self._drive()) for _ in range(self._connections)]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopping = True
        await asyncio.gather(*self._tasks)

    async def more(self, count: int = 20) -> None:
        """Return after *count* more answers: proof that load went on meanwhile."""
        wanted = self.answers + count
        while self.answers < wanted:
            await asyncio.sleep(PACE)

    async def _drive(self) -> None:
        while not self._stopping:
            try:
                await self._one_connection()
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                self.failures[f"{type(error).__name__}: {error}"] += 1
                await asyncio.sleep(PACE)

    async def _one_connection(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            while not self._stopping:
                writer.write(self._request)
                answer = await asyncio.wait_for(read_answer(reader), PATIENCE)
                self.answers += 1
                if wrong := self._check(answer):
                    self.failures[wrong] += 1
                await asyncio.sleep(PACE)
                if answer.headers.get("connection") == "close":
                    return
        finally:
            writer.close()
