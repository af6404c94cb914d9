"""A resolver whose answers the test gives."""

from __future__ import annotations

import asyncio

from dataplane.upstream.resolver import DnsAnswer, DnsFailure


class FakeResolver:
    """`asked`: names in the order of questions.  A name without a set answer stays unanswered until `answer` or `fail`."""

    def __init__(self, **answers: DnsAnswer) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, DnsAnswer | DnsFailure] = dict(answers)
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    async def resolve(self, name: str, family: str) -> DnsAnswer:
        self.asked.append(name)
        while name not in self.answers:
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(name, []).append(waiting)
            await waiting
        found = self.answers[name]
        if isinstance(found, DnsFailure):
            raise found
        return found

    def answer(self, name: str, *addresses: str, ttl: float = 0.0) -> None:
        self._set(name, DnsAnswer(addresses, ttl))

    def fail(self, name: str) -> None:
        self._set(name, DnsFailure(f"{name}: timeout"))

    def _set(self, name: str, answer: DnsAnswer | DnsFailure) -> None:
        self.answers[name] = answer
        for waiting in self._waiting.pop(name, []):
            if not waiting.done():
                waiting.set_result(None)


async def settle() -> None:
    """Let every task that can run run."""
    for _ in range(10):
        await asyncio.sleep(0)
