"""Waiting until the proxies of a group use a revision, or one of them refuses it.

Here: what "ready" means for a group, pure, and the loop that asks.  Not here: showing progress (commands).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from controlplane.api.v1 import management_pb2 as api
from controlplane.base.resource import DEFAULT_GROUP
from controlplane.client.client import Client
from controlplane.client.errors import ClientError

ASK_EVERY_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Nack:
    """A proxy's refusal, in its own words."""

    node_id: str
    type_url: str
    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a group's connected proxies have come.  waiting: node ids."""

    revision: int
    ready: tuple[str, ...]
    waiting: tuple[str, ...]
    nacks: tuple[Nack, ...]


class NotReady(ClientError):
    """A proxy refused the revision, or time ran out.  progress: what was reached."""

    def __init__(self, reason: str, progress: Progress) -> None:
        super().__init__(reason)
        self.progress = progress


async def wait_ready(
    client: Client,
    revision: int,
    *,
    group: str = "",
    within: float = 60.0,
    at_least: int = 1,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Wait until every connected proxy of the group has acknowledged all of *revision*, or a later one.

    group: `default` (or empty) means all proxies, because other groups inherit from it.
    within: seconds.  at_least: so many proxies there must be.
    Raises NotReady; Rejected, Unreachable as the client does.
    """
    deadline = asyncio.get_running_loop().time() + within
    watched = "" if group == DEFAULT_GROUP else group
    while True:
        progress = progress_of(revision, (await client.proxies(watched)).proxies)
        report(progress)
        if progress.nacks:
            raise NotReady(f"{progress.nacks[0].node_id} refused revision {revision}: {progress.nacks[0].text}", progress)
        if not progress.waiting and len(progress.ready) >= at_least:
            return progress
        if asyncio.get_running_loop().time() >= deadline:
            raise NotReady(_overdue(progress, within, at_least), progress)
        await asyncio.sleep(ASK_EVERY_SECONDS)


def progress_of(revision: int, proxies: Iterable[api.Proxy]) -> Progress:
    connected = [proxy for proxy in proxies if not proxy.HasField("disconnected_at")]
    nacks = [
        Nack(proxy.node_id, status.type_url, status.nack_text)
        for proxy in connected
        for status in proxy.types
        if status.rejecting and status.nacked_revision >= revision
    ]
    return Progress(
        revision,
        tuple(proxy.node_id for proxy in connected if proxy.ready_revision >= revision),
        tuple(proxy.node_id for proxy in connected if proxy.ready_revision < revision),
        tuple(nacks),
    )


def _overdue(progress: Progress, within: float, at_least: int) -> str:
    if progress.waiting:
        return f"not ready after {within:g} s: {', '.join(progress.waiting)}"
    return f"{len(progress.ready)} of at least {at_least} proxies connected after {within:g} s"
