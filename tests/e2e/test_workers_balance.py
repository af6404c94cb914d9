"""`exact_balance`: every worker has as many connections as the others, and nobody waits for one that stands still."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.support.load import read_answer
from tests.support.waiting import PATIENCE, wait_until_awaited
from tests.support.worker_processes import wait_workers
from tests.support.worker_world import REQUEST, World, workers

pytestmark = pytest.mark.e2e


async def shares(world: World) -> list[int]:
    found = await world.stats("worker_.*downstream_cx_active")
    return [found.get(f"listener.127.0.0.1_0.worker_{number}.downstream_cx_active", 0) for number in range(3)]


def test_connections_are_shared_evenly(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workers(tmp_path, 3, listener={"connection_balance_config": {"exact_balance": {}}}) as world:
            clients = await asyncio.gather(*(world.client() for _ in range(30)))
            assert all(await asyncio.gather(*(client.is_served() for client in clients)))
            # Two whose turn it is may take one each in the same instant, and on a busy machine a turn may be missed.
            found = await shares(world)
            assert sum(found) == 30
            assert max(found) - min(found) <= 4
            for client in clients[:20]:
                client.writer.close()

            async def gone() -> bool:
                return sum(await shares(world)) == 10

            await wait_until_awaited(gone, "twenty gone")
            for _ in range(20):
                assert await (await world.client()).is_served()
            found = await shares(world)
            assert sum(found) == 30
            assert max(found) - min(found) <= 4
            stalled, *_ = await asyncio.to_thread(wait_workers, world.proxy, 3)
            os.kill(stalled, signal.SIGSTOP)
            try:
                for _ in range(10):
                    client = await world.client()
                    client.writer.write(REQUEST)
                    assert (await asyncio.wait_for(read_answer(client.reader), PATIENCE)).status == 200
            finally:
                os.kill(stalled, signal.SIGCONT)

    asyncio.run(scenario())
