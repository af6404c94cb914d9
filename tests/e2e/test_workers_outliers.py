"""A host that misbehaves is ejected once, and for all workers."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.load import read_answer
from tests.support.origin import Origin
from tests.support.waiting import NotInTimeError, wait_until_awaited
from tests.support.worker_processes import wait_workers
from tests.support.worker_world import REQUEST, World, clients_of_two_workers, workers

pytestmark = pytest.mark.e2e

FAILURE = b"HTTP/1.1 500 no\r\ncontent-length: 0\r\n\r\n"
DETECTION: dict[str, Any] = {
    "outlier_detection": {"consecutive_5xx": 3, "interval": "0.2s", "base_ejection_time": "600s", "max_ejection_percent": 50},
    "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
}


async def statuses(world: World, count: int) -> list[int]:
    """Of requests on connections of their own, spread over the workers."""
    found = []
    for _ in range(count):
        client = await world.client()
        client.writer.write(REQUEST)
        found.append((await read_answer(client.reader)).status)
    return found


def test_ejected_by_one_is_ejected_for_all_and_counts_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Origin("green") as other, workers(tmp_path, 2, second=other, **DETECTION) as world:
            other.answer = FAILURE

            async def ejected() -> bool:
                await statuses(world, 4)
                return (await world.stats("outlier"))["cluster.app.outlier_detection.ejections_active"] == 1

            await wait_until_awaited(ejected, "an ejection")

            async def followed() -> bool:
                return not (await world.stats("behind"))["pointsman.workers_behind"]

            await wait_until_awaited(followed, "all workers told")
            assert await statuses(world, 24) == [200] * 24
            # The other host fails as well, but half of the hosts is as many as may be ejected, by all workers together.
            world.origin.answer = FAILURE
            assert await statuses(world, 24) == [500] * 24

            async def detected() -> bool:
                return (await world.stats("outlier"))["cluster.app.outlier_detection.ejections_overflow"] > 0

            await wait_until_awaited(detected, "a second detection")
            found = await world.stats("cluster.app")
            assert found["cluster.app.outlier_detection.ejections_total"] == 1
            assert found["cluster.app.outlier_detection.ejections_active"] == 1
            assert found["cluster.app.membership_healthy"] == 1
            hosts = await asyncio.to_thread(world.proxy.admin.get, "/clusters")
            assert f"127.0.0.1:{other.port}::health_flags::/failed_outlier_check\n" in hosts
            assert f"127.0.0.1:{world.origin.port}::health_flags::healthy\n" in hosts

    asyncio.run(scenario())


def test_failures_in_a_row_are_counted_over_all_workers_and_a_success_in_any_ends_the_row(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Origin("green") as other, workers(tmp_path, 2, second=other, **DETECTION) as world:
            one, two = await clients_of_two_workers(world)

            async def detected() -> int:
                return (await world.stats("outlier"))["cluster.app.outlier_detection.ejections_detected_consecutive_5xx"]

            # A worker takes the two hosts in turn, beginning with either: two requests are one to each.
            answer = world.origin.answer
            world.origin.answer = other.answer = FAILURE
            assert await one.ask(2) == [500] * 2  # one at each host
            assert await two.ask(2) == [500] * 2  # two at each
            world.origin.answer = other.answer = answer
            assert await two.ask(2) == [200] * 2
            world.origin.answer = other.answer = FAILURE
            assert await one.ask(4) == [500] * 4
            assert await detected() == 0
            assert await two.ask() == [500]  # the third in a row at one of them, which nobody saw alone

            async def ejected() -> bool:
                return await detected() == 1

            await wait_until_awaited(ejected, "the third failure in a row")
            found = await world.stats("outlier")
            assert found["cluster.app.outlier_detection.ejections_active"] == 1

    asyncio.run(scenario())


def test_failures_that_a_dead_worker_saw_count_for_those_that_live(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workers(tmp_path, 2, outlier_detection={"consecutive_5xx": 3, "always_eject_one_host": True}) as world:
            one, two = await clients_of_two_workers(world)
            world.origin.answer = FAILURE
            assert await one.ask(2) == [500] * 2
            first, *_ = await asyncio.to_thread(wait_workers, world.proxy, 2)
            os.kill(first, signal.SIGKILL)

            async def replaced() -> bool:
                return (await world.stats("workers"))["pointsman.workers_replaced"] == 1

            await wait_until_awaited(replaced, "another worker")
            assert await two.ask() == [500]

            async def ejected() -> bool:
                return (await world.stats("outlier"))["cluster.app.outlier_detection.ejections_active"] == 1

            await wait_until_awaited(ejected, "the third failure in a row")

    asyncio.run(scenario())


def test_rates_are_judged_over_all_workers(tmp_path: Path) -> None:
    """Ten requests to each host are what is asked for; no worker sends so many in an interval."""
    rates = {
        "consecutive_5xx": 0,
        "interval": "1s",
        "base_ejection_time": "600s",
        "max_ejection_percent": 50,
        "failure_percentage_request_volume": 10,
        "failure_percentage_minimum_hosts": 2,
        "enforcing_failure_percentage": 100,
        "enforcing_success_rate": 0,
    }

    async def scenario() -> None:
        async with Origin("green") as other, workers(tmp_path, 2, second=other, outlier_detection=rates) as world:
            clients = await clients_of_two_workers(world)
            other.answer = FAILURE

            async def ejected() -> bool:
                return (await world.stats("outlier"))["cluster.app.outlier_detection.ejections_active"] == 1

            async def judged() -> bool:
                """Six to each host by each worker; an interval may end between what one and the other tells: then it is for the next."""
                for client in clients:
                    await client.ask(12)
                try:
                    return await wait_until_awaited(ejected, "the end of an interval", timeout=2.0)
                except NotInTimeError:
                    return False

            await wait_until_awaited(judged, "a host whose answers are failures")
            hosts = await asyncio.to_thread(world.proxy.admin.get, "/clusters")
            assert f"127.0.0.1:{other.port}::health_flags::/failed_outlier_check\n" in hosts

    asyncio.run(scenario())
