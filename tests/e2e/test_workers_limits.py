"""Limits hold for all workers together: connections, circuit breakers; and what a dead worker had is free again."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support import bootstraps
from tests.support.load import read_answer
from tests.support.pressed_proxy import pressed_by, trigger
from tests.support.waiting import wait_until_async, wait_until_awaited
from tests.support.worker_processes import wait_workers
from tests.support.worker_world import REQUEST, Client, World, clients_of_two_workers, workers

pytestmark = pytest.mark.e2e

MOST = 10
MONITOR = "envoy.resource_monitors.global_downstream_max_connections"
OF_MONITOR = {
    "resource_monitors": [
        {
            "name": MONITOR,
            "typed_config": {
                "@type": bootstraps.TYPE + "resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                "max_active_downstream_connections": MOST,
            },
        }
    ]
}
OF_FILTER = {
    "name": "envoy.filters.network.connection_limit",
    "typed_config": {
        "@type": bootstraps.TYPE + "filters.network.connection_limit.v3.ConnectionLimit",
        "stat_prefix": "edge",
        "max_connections": MOST,
    },
}


async def fill(world: World) -> int:
    """Connections come one after the other until four were turned away.  Returns how many were not."""
    served = refused = 0
    while refused < 4:
        if await (await world.client()).is_served():
            served += 1
        else:
            refused += 1
    return served


OF_RUNTIME = {"layers": [{"name": "s", "static_layer": {"envoy.resource_limits.listener.edge.connection_limit": MOST}}]}
MORE = {"monitor": {"overload_manager": OF_MONITOR}, "listener": {"layered_runtime": OF_RUNTIME}}
TURNED_AWAY = {
    "monitor": "listener.127.0.0.1_0.downstream_global_cx_overflow",
    "filter": "connection_limit.edge.limited_connections",
    "listener": "listener.127.0.0.1_0.downstream_cx_overflow",
}


@pytest.mark.parametrize("limit", ["monitor", "filter", "listener"])
def test_connections_are_limited_over_all_workers_and_those_of_a_dead_one_are_free_again(tmp_path: Path, limit: str) -> None:
    count = 2

    async def scenario() -> None:
        filters = (OF_FILTER,) if limit == "filter" else ()
        async with workers(tmp_path, count, filters=filters, more=MORE.get(limit)) as world:
            assert await fill(world) == MOST
            found = await world.stats("worker_.*downstream_cx_active|edge.downstream_cx_active|cx_overflow|limited_connections")
            active = [found[f"listener.127.0.0.1_0.worker_{number}.downstream_cx_active"] for number in range(count)]
            assert sum(active) == found["http.edge.downstream_cx_active"] == MOST
            assert found[TURNED_AWAY[limit]] == 4
            victim = max(range(count), key=active.__getitem__)
            os.kill((await asyncio.to_thread(wait_workers, world.proxy, count))[victim], signal.SIGKILL)

            async def replaced() -> bool:
                gauges = await world.stats("pointsman.workers")
                return gauges["pointsman.workers_replaced"] == 1 and not gauges["pointsman.workers_behind"]

            await wait_until_awaited(replaced, "a replacement")
            assert await fill(world) == active[victim]

    asyncio.run(scenario())


def test_requests_are_limited_over_all_workers_and_those_of_a_dead_one_are_free_again(tmp_path: Path) -> None:
    most, count = 5, 3
    limits = {"thresholds": [{"max_requests": most, "track_remaining": True}]}

    async def scenario() -> None:
        async with workers(tmp_path, count, circuit_breakers=limits) as world:
            world.origin.answer = b""  # what comes stays under way

            async def hold_as_many_as_go() -> int:
                """One after the other, until eight were refused.  Returns how many wait for their answers."""
                held = refused = 0
                while refused < 8:
                    before, client = world.origin.requests, await world.client()
                    client.writer.write(REQUEST)
                    answer = asyncio.create_task(read_answer(client.reader))
                    await wait_until_async(lambda: answer.done() or world.origin.requests > before, "a decision")  # noqa: B023
                    if world.origin.requests > before:
                        held += 1
                        tasks.append(answer)
                    else:
                        assert (await answer).status == 503
                        refused += 1
                return held

            tasks: list[asyncio.Task[Any]] = []
            assert await hold_as_many_as_go() == most
            found = await world.stats("app")
            assert found["cluster.app.upstream_rq_active"] == most
            assert found["cluster.app.upstream_rq_active_overflow"] == 8
            assert found["cluster.app.circuit_breakers.default.rq_open"] == 1
            assert found["cluster.app.circuit_breakers.default.remaining_rq"] == 0
            assert found["cluster.app.circuit_breakers.default.remaining_cx"] == 1024 - found["cluster.app.upstream_cx_active"]
            victim, *_ = await asyncio.to_thread(wait_workers, world.proxy, count)
            open_before = len(world.origin.open)
            os.kill(victim, signal.SIGKILL)
            await wait_until_async(lambda: len(world.origin.open) < open_before, "its connections gone")

            async def replaced() -> bool:
                gauges = await world.stats("pointsman.workers")
                return gauges["pointsman.workers_replaced"] == 1 and not gauges["pointsman.workers_behind"]

            await wait_until_awaited(replaced, "a replacement")
            lost = most - (await world.stats("app"))["cluster.app.upstream_rq_active"]
            found = await world.stats("circuit_breakers.default")
            assert found["cluster.app.circuit_breakers.default.remaining_rq"] == lost
            assert await hold_as_many_as_go() == lost
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(scenario())


def test_one_request_waits_in_all_workers_together(tmp_path: Path) -> None:
    count = 2
    limits = {"thresholds": [{"max_connections": 1, "max_pending_requests": 1}]}

    async def scenario() -> None:
        async with workers(tmp_path, count, circuit_breakers=limits) as world:
            world.origin.answer = b""
            for sent in range(1, 25):
                (await world.client()).writer.write(REQUEST)

                async def decided(sent: int = sent) -> bool:
                    found = await world.stats("app.upstream_rq")
                    refused = found["cluster.app.upstream_rq_pending_overflow"]
                    held = found["cluster.app.upstream_rq_active"] + found["cluster.app.upstream_rq_pending_active"]
                    return refused + held == sent

                await wait_until_awaited(decided, "a decision")
            found = await world.stats("app")
            assert found["cluster.app.upstream_rq_pending_active"] == 1
            # As in Envoy every worker may have one connection to a host, whatever the limit is.
            assert 1 <= found["cluster.app.upstream_rq_active"] <= count
            assert found["cluster.app.circuit_breakers.default.rq_pending_open"] == 1
            assert found["cluster.app.circuit_breakers.default.cx_open"] == 1

    asyncio.run(scenario())


def test_what_any_worker_sheds_is_counted(tmp_path: Path) -> None:
    point, pressure = "envoy.load_shed_points.http_connection_manager_decode_headers", tmp_path / "pressure"
    overload = pressed_by(pressure, loadshed_points=[{"name": point, "triggers": trigger(threshold={"value": 0.5})}])

    async def scenario() -> None:
        pressure.write_text("0")
        async with workers(tmp_path, 2, more={"overload_manager": overload}) as world:
            clients = await clients_of_two_workers(world)
            rise = tmp_path / "rise"
            rise.write_text("1")
            rise.rename(pressure)
            shed = 0
            for client in clients:

                async def is_shed(client: Client = client) -> bool:
                    return await client.ask() == [503]

                await wait_until_awaited(is_shed, "a request that is shed")
                assert await client.ask(4) == [503] * 4
                shed += 5
            assert (await world.stats("shed_load_count"))[f"overload.{point}.shed_load_count"] == shed == 10

    asyncio.run(scenario())
