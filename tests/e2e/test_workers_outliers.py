"""A host that misbehaves is ejected once, and for all workers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.load import read_answer
from tests.support.origin import Origin
from tests.support.waiting import wait_until_awaited
from tests.support.worker_world import REQUEST, World, workers

pytestmark = pytest.mark.e2e

FAILURE = b"HTTP/1.1 500 no\r\ncontent-length: 0\r\n\r\n"
DETECTION = {
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
