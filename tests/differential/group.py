"""All cases of one group against one proxy process: bootstrap, conversations side by side, then statistics and access logs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.differential.bootstrap import cluster_name, static_bootstrap
from tests.differential.case import Case
from tests.differential.conversation import Conversation, Outcome
from tests.support.proxy_process import ProxyProcess, ProxyRefusedError

# So many conversations at a time: more would let one case's load stretch another's timeouts.
SIDE_BY_SIDE = 12

HTTP_STATS = (
    "downstream_rq_total downstream_rq_completed downstream_rq_1xx downstream_rq_2xx downstream_rq_3xx downstream_rq_4xx "
    "downstream_rq_5xx downstream_rq_http1_total downstream_rq_active downstream_cx_total downstream_cx_http1_total "
    "downstream_cx_protocol_error downstream_rq_rx_reset downstream_rq_tx_reset downstream_rq_non_relative_path "
    "downstream_rq_too_large downstream_rq_timeout downstream_rq_idle_timeout downstream_rq_response_before_rq_complete "
    "downstream_rq_rejected_via_ip_detection downstream_rq_redirected_with_normalized_path "
    "no_route no_cluster rq_direct_response rq_redirect rq_total"
).split()
CLUSTER_STATS = (
    "upstream_rq_total upstream_rq_completed upstream_rq_2xx upstream_rq_3xx upstream_rq_4xx upstream_rq_5xx upstream_rq_timeout "
    "upstream_rq_per_try_timeout upstream_rq_rx_reset upstream_rq_tx_reset upstream_rq_retry upstream_rq_retry_success "
    "upstream_rq_pending_total upstream_rq_pending_failure_eject upstream_rq_pending_overflow upstream_rq_active "
    "upstream_rq_cancelled upstream_rq_maintenance_mode upstream_cx_total upstream_cx_http1_total upstream_cx_connect_fail "
    "upstream_cx_protocol_error upstream_cx_none_healthy upstream_cx_max_requests upstream_cx_close_notify"
).split()

# When a whole group's bootstrap is refused, so many of its cases at a time are tried alone.
ALONE_AT_A_TIME = 3

StartProxy = Callable[[Mapping[str, Any], Path], ProxyProcess]
Result = Outcome | ProxyRefusedError


def _stats_of(case: Case, stats: Mapping[str, int]) -> dict[str, int]:
    """The statistics compared for *case*: those everybody has, and those it names (`$up` stands for the cluster)."""
    names = [f"http.{case.key}.{name}" for name in HTTP_STATS]
    for upstream in case.upstreams:
        names += [f"cluster.{cluster_name(case, upstream)}.{name}" for name in CLUSTER_STATS]
    for name in case.stats:
        for upstream in case.upstreams:
            name = name.replace(f"${upstream}", cluster_name(case, upstream))
        names.append(name.replace("$case", case.key))
    return {name: stats.get(name, 0) for name in names}


async def _talk_all(talks: Mapping[str, Conversation], ports: Mapping[str, int]) -> dict[str, Outcome]:
    turn = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(conversation: Conversation) -> Outcome:
        async with turn:
            return await conversation.talk(ports[conversation.case.key])

    outcomes = await asyncio.gather(*(one(talk) for talk in talks.values()))
    return dict(zip(talks, outcomes, strict=True))


async def run_group(cases: Sequence[Case], start: StartProxy, directory: Path) -> dict[str, Outcome]:
    """Outcomes by case id.  Raises what `ProxyProcess.start` raises when the proxy refuses the bootstrap."""
    logs = directory / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    talks = {case.id: Conversation(case) for case in cases}
    try:
        upstream_ports = {case_id: await talk.open() for case_id, talk in talks.items()}
        process = start(static_bootstrap(cases, upstream_ports, logs), directory)
        try:
            await asyncio.to_thread(process.start)
            listener_ports = await asyncio.to_thread(process.wait_listeners, [case.key for case in cases])
            outcomes = await _talk_all(talks, listener_ports)
            stats = await asyncio.to_thread(process.admin.stats)
        finally:
            # The exit flushes the access logs.
            await asyncio.to_thread(process.stop)
        for case in cases:
            log = logs / f"{case.key}.log"
            outcomes[case.id].access_log = _sorted_log(log)
            outcomes[case.id].stats = _stats_of(case, stats)
        _name_ports(outcomes, upstream_ports, {case.id: listener_ports[case.key] for case in cases})
        return outcomes
    finally:
        for talk in talks.values():
            await talk.close()


async def run_or_refuse(cases: Sequence[Case], start: StartProxy, directory: Path) -> dict[str, Result]:
    """Outcomes by case id; a case whose configuration the proxy refuses has its refusal for an outcome."""
    try:
        return dict(await run_group(cases, start, directory))
    except ProxyRefusedError as refusal:
        if len(cases) == 1:
            return {cases[0].id: refusal}
    turn = asyncio.Semaphore(ALONE_AT_A_TIME)

    async def alone(case: Case) -> dict[str, Result]:
        async with turn:
            return await run_or_refuse([case], start, directory / case.key)

    results: dict[str, Result] = {}
    for result in await asyncio.gather(*(alone(case) for case in cases)):
        results |= result
    return results


def _sorted_log(path: Path) -> list[str]:
    # Several connections of one case may end in any order.
    return sorted(path.read_text(errors="backslashreplace").splitlines()) if path.exists() else []


def _name_ports(
    outcomes: Mapping[str, Outcome], upstreams: Mapping[str, Mapping[str, int]], listeners: Mapping[str, int]
) -> None:
    """Put names in place of the ports, which are others for each proxy."""
    for case_id, outcome in outcomes.items():
        names = {str(port): name for name, port in {**upstreams[case_id], "listener": listeners[case_id]}.items()}
        text = re.compile(rf"(?<=[: ])({'|'.join(names)})\b")
        wire = re.compile(text.pattern.encode())
        outcome.access_log = [text.sub(lambda found: f"<{names[found[1]]}>", line) for line in outcome.access_log]
        for transcript in [*outcome.clients.values(), *(end for ends in outcome.upstreams.values() for end in ends)]:
            transcript.received = wire.sub(lambda found: f"<{names[found[1].decode()]}>".encode(), transcript.received)
