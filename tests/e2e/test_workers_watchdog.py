"""A worker that stands still: what an operator sees of it, and that it is replaced where that is configured."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.load import read_answer
from tests.support.waiting import PATIENCE, wait_until_awaited
from tests.support.worker_processes import wait_workers
from tests.support.worker_world import REQUEST, workers

pytestmark = pytest.mark.e2e


def test_it_is_counted_and_replaced_and_what_waited_for_it_is_served(tmp_path: Path) -> None:
    watchdogs = {"worker_watchdog": {"miss_timeout": "0.3s", "megamiss_timeout": "0.6s", "kill_timeout": "1.5s"}}

    async def scenario() -> None:
        async with workers(tmp_path, 2, more={"watchdogs": watchdogs}) as world:
            stalled, other = await asyncio.to_thread(wait_workers, world.proxy, 2)
            os.kill(stalled, signal.SIGSTOP)
            try:
                clients = [await world.client() for _ in range(24)]
                for client in clients:
                    client.writer.write(REQUEST)
                # About half of them wait in the queue of the worker that stands still.
                answers = await asyncio.gather(*(asyncio.wait_for(read_answer(each.reader), PATIENCE) for each in clients))
                assert [answer.status for answer in answers] == [200] * len(clients)

                async def replaced() -> bool:
                    return (await world.stats("pointsman.workers_replaced"))["pointsman.workers_replaced"] == 1

                await wait_until_awaited(replaced, "a replacement")
            finally:
                with suppress(ProcessLookupError):
                    os.kill(stalled, signal.SIGCONT)
            found = await world.stats("watchdog")
            assert found["server.worker_0.watchdog_miss"] >= 1
            assert found["server.worker_0.watchdog_mega_miss"] >= 1
            assert found["workers.watchdog_miss"] == sum(found[f"server.worker_{number}.watchdog_miss"] for number in (0, 1))
            left = await asyncio.to_thread(wait_workers, world.proxy, 2)
            assert other in left
            assert stalled not in left
            assert "worker 0 stands still and is ended" in world.proxy.log()

    asyncio.run(scenario())
