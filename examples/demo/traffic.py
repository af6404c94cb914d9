"""Requests without a pause to several proxies, and what came back.

Here: sending and counting.  Not here: what the numbers should be (run).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

CONNECTIONS = 4
REQUEST_SECONDS = 5.0


@dataclass(slots=True)
class Counts:
    """What one proxy answered.  versions: by the version that the answer names."""

    versions: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return self.versions.total() + len(self.failures)


class Traffic:
    """Running requests; `counts` by proxy name, replaced by `restart_counting`."""

    def __init__(self, urls: dict[str, str]) -> None:
        self._urls = urls
        self._answered = asyncio.Event()
        self.counts = {name: Counts() for name in urls}
        self.total = 0
        self.failures: list[str] = []

    def restart_counting(self) -> None:
        self.counts = {name: Counts() for name in self._urls}

    async def until(self, requests: int, within: float) -> None:
        """Wait until every proxy has answered so many requests since counting was restarted.  Raises TimeoutError."""
        deadline = time.monotonic() + within
        while any(counts.requests < requests for counts in self.counts.values()):
            self._answered.clear()
            await asyncio.wait_for(self._answered.wait(), deadline - time.monotonic())

    async def send(self, name: str, session: aiohttp.ClientSession) -> None:
        """Request after request on one connection, until cancelled."""
        while True:
            counts = self.counts[name]  # a request counts where it began
            failure = ""
            try:
                # POST: the client must not try again by itself and hide a failure.
                async with session.post(self._urls[name], data=b"order") as response:
                    await response.read()
                    if response.status == 200:
                        counts.versions[response.headers.get("x-version", "none")] += 1
                    else:
                        failure = f"{name}: {response.status} {response.reason}"
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                failure = f"{name}: {error!r}"
            if failure:
                counts.failures.append(failure)
                self.failures.append(failure)
            self.total += 1
            self._answered.set()


@asynccontextmanager
async def flowing(urls: dict[str, str]) -> AsyncIterator[Traffic]:
    """Traffic to every URL (by proxy name) while the block runs."""
    traffic = Traffic(urls)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS)) as session:
        senders = [asyncio.create_task(traffic.send(name, session)) for name in urls for _ in range(CONNECTIONS)]
        try:
            yield traffic
        finally:
            await _cancel(senders)


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    stopping = list(tasks)
    for task in stopping:
        task.cancel()
    await asyncio.gather(*stopping, return_exceptions=True)
