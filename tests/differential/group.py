"""All cases of one group against one proxy process: bootstrap, conversations side by side, then statistics and access logs."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.differential.case import Case
from tests.differential.conversation import Conversation, Outcome
from tests.differential.delivery import Deliver, in_bootstrap
from tests.differential.statistics import compared_stats
from tests.support.proxy_process import ProxyProcess, ProxyRefusedError
from tests.support.waiting import NotInTimeError, wait_until

# So many conversations at a time: more would let one case's load stretch another's timeouts.
SIDE_BY_SIDE = 12
# All clients have closed; whoever keeps a connection of theirs for longer, keeps it on purpose.
KEPT = 1.0


StartProxy = Callable[[Mapping[str, Any], Path], ProxyProcess]
Result = Outcome | ProxyRefusedError


async def _talk_all(talks: Mapping[str, Conversation], ports: Mapping[str, int], process: ProxyProcess) -> dict[str, Outcome]:
    turn = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(conversation: Conversation) -> Outcome:
        async with turn:
            return await conversation.talk(ports[conversation.case.key], process.is_busy)

    outcomes = await asyncio.gather(*(one(talk) for talk in talks.values()))
    return dict(zip(talks, outcomes, strict=True))


async def run_group(
    cases: Sequence[Case], start: StartProxy, directory: Path, deliver: Deliver = in_bootstrap
) -> dict[str, Outcome]:
    """Outcomes by case id.  Raises what `ProxyProcess.start` raises when the proxy refuses the bootstrap."""
    logs = directory / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    talks = {case.id: Conversation(case) for case in cases}
    try:
        upstream_ports = {case_id: await talk.open() for case_id, talk in talks.items()}
        process = start(await deliver(cases, upstream_ports, logs), directory)
        try:
            await asyncio.to_thread(process.start)
            listener_ports = await asyncio.to_thread(process.wait_listeners, [case.key for case in cases])
            # A limit of the whole process counts the admin connection that this took until the proxy has seen its end.
            await asyncio.to_thread(_wait_rest, process)
            outcomes = await _talk_all(talks, listener_ports, process)
            stats = await asyncio.to_thread(_final_stats, process)
        finally:
            # The exit flushes the access logs.
            await asyncio.to_thread(process.stop)
        for case in cases:
            log = logs / f"{case.key}.log"
            outcomes[case.id].access_log = _sorted_log(log)
            outcomes[case.id].stats = compared_stats(case, stats)
        _name_ports(outcomes, upstream_ports, {case.id: listener_ports[case.key] for case in cases})
        return outcomes
    finally:
        for talk in talks.values():
            await talk.close()


async def run_or_refuse(
    cases: Sequence[Case], start: StartProxy, directory: Path, deliver: Deliver = in_bootstrap
) -> dict[str, Result]:
    """Outcomes by case id; a case whose configuration the proxy refuses has its refusal for an outcome.

    A refused bootstrap is halved until the cases that it is refused for are alone.
    """
    try:
        return dict(await run_group(cases, start, directory, deliver))
    except ProxyRefusedError as refusal:
        if len(cases) == 1:
            return {cases[0].id: refusal}
    middle = len(cases) // 2
    results = await run_or_refuse(cases[:middle], start, directory / "a", deliver)
    return results | await run_or_refuse(cases[middle:], start, directory / "b", deliver)


def _final_stats(process: ProxyProcess) -> dict[str, int]:
    """Once the proxy has dealt with the end of every conversation: it may not have had a processor since the last one."""

    def is_over() -> bool:
        active = process.admin.stats("^listener.*downstream_cx_active$")
        return not process.is_busy() and not any(
            count for name, count in active.items() if not name.startswith("listener.admin.")
        )

    with contextlib.suppress(NotInTimeError):
        wait_until(is_over, "the end of all connections", KEPT)
    _wait_rest(process)
    return process.admin.stats()


def _wait_rest(process: ProxyProcess) -> None:
    wait_until(lambda: not process.is_busy(), "a proxy that rests")


def _sorted_log(path: Path) -> list[str]:
    # Several connections of one case may end in any order.
    return sorted(path.read_text(errors="backslashreplace").splitlines()) if path.exists() else []


def _name_ports(
    outcomes: Mapping[str, Outcome], upstreams: Mapping[str, Mapping[str, int]], listeners: Mapping[str, int]
) -> None:
    """Put names in place of the ports, which are others for each proxy."""
    for case_id, outcome in outcomes.items():
        ports = {**upstreams[case_id], "listener": listeners[case_id]}
        outcome.access_log = [_with_names(line.encode(), ports).decode() for line in outcome.access_log]
        for transcript in [*outcome.clients.values(), *itertools.chain(*outcome.upstreams.values())]:
            transcript.received = _with_names(transcript.received, ports)


def _with_names(data: bytes, ports: Mapping[str, int]) -> bytes:
    for name, port in ports.items():
        if port:
            data = re.sub(rb"(?<=[: |])%d\b" % port, b"<%b>" % name.encode(), data)
    return data
