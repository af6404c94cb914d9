"""A new version takes over from an old one under load: the same sockets, no failed request, statistics that go on."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import bootstraps
from tests.support.drain_peers import OK, Http1Peer
from tests.support.load import Load, read_answer
from tests.support.origin import Origin
from tests.support.our_process import our_process
from tests.support.proxy_process import ProxyProcess, ProxyRefusedError
from tests.support.waiting import PATIENCE, wait_until, wait_until_awaited
from tests.support.worker_processes import wait_workers

pytestmark = pytest.mark.e2e

DRAIN = ("--drain-time-s", "1", "--parent-shutdown-time-s", "3")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class World:
    """An address, an origin, and the proxies that stand there one after the other."""

    directory: Path
    origin: Origin
    port: int
    started: list[ProxyProcess]

    def bootstrap(self) -> dict[str, Any]:
        routes = [{"match": {"prefix": "/"}, "route": {"cluster": "app"}}]
        listener = bootstraps.http_listener("edge", routes) | {"address": bootstraps.address(self.port)}
        return bootstraps.static([listener], [bootstraps.static_cluster("app", self.origin.port)]) | {
            "stats_flush_interval": "0.2s"
        }

    @property
    def base_id(self) -> str:
        return (self.directory / "base-id").read_text()

    async def start(self, *flags: str, name: str) -> ProxyProcess:
        proxy = our_process(self.bootstrap(), self.directory / name, *DRAIN, *flags, name=name)
        self.started.append(proxy)
        await asyncio.to_thread(proxy.start)
        return proxy

    async def start_first(self, *flags: str) -> ProxyProcess:
        path = str(self.directory / "base-id")
        return await self.start("--use-dynamic-base-id", "--base-id-path", path, *flags, name="epoch-0")

    async def start_next(self, epoch: int, *flags: str) -> ProxyProcess:
        return await self.start("--restart-epoch", str(epoch), "--base-id", self.base_id, *flags, name=f"epoch-{epoch}")


@asynccontextmanager
async def world(directory: Path) -> AsyncIterator[World]:
    async with Origin("green") as origin:  # five letters, as Http1Peer expects
        made = World(directory, origin, free_port(), [])
        try:
            yield made
        finally:
            for proxy in made.started:
                proxy.kill()


async def ended(proxy: ProxyProcess) -> int:
    await asyncio.to_thread(wait_until, lambda: proxy.returncode is not None, f"{proxy.name} ended")
    assert proxy.returncode is not None
    return proxy.returncode


@pytest.mark.parametrize(("before", "after"), [("1", "1"), ("2", "2"), ("1", "2")])
def test_no_request_fails_while_a_new_process_takes_over(tmp_path: Path, before: str, after: str) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as here:
            old = await here.start_first("--concurrency", before)
            async with Load(here.port, connections=8) as load:
                await load.more(100)
                new = await here.start_next(1, "--concurrency", after)
                assert await ended(old) == 0
                await load.more(100)
            assert not load.failures, load.failures.most_common(3)

            async def all_counted() -> bool:
                found = await asyncio.to_thread(new.admin.stats, "edge|server|app")
                return found["http.edge.downstream_rq_2xx"] == load.answers

            await wait_until_awaited(all_counted, "the counts of both processes in the new one")
            found = await asyncio.to_thread(new.admin.stats)
            assert found["cluster.app.upstream_rq_200"] == load.answers
            assert found["http.edge.downstream_rq_active"] == 0
            assert found["cluster.app.membership_total"] == 1
            assert found["server.hot_restart_epoch"] == 1
            assert found["server.concurrency"] == int(after)
            info = await asyncio.to_thread(new.admin.get_json, "/server_info")
            assert info["command_line_options"]["restart_epoch"] == 1
            assert info["command_line_options"]["base_id"] == here.base_id
            assert int(info["uptime_all_epochs"][:-1]) >= int(info["uptime_current_epoch"][:-1])
            assert info["hot_restart_version"] == await asyncio.to_thread(new.admin.get, "/hot_restart_version")

    asyncio.run(scenario())


def test_fewer_workers_take_over_all_connections_that_wait(tmp_path: Path) -> None:
    """The kernel has spread them over as many sockets as there were workers, and goes on doing so."""

    async def scenario() -> None:
        async with world(tmp_path) as here:
            old = await here.start_first("--concurrency", "3")
            stopped = await asyncio.to_thread(wait_workers, old, 3)
            for worker in stopped:
                os.kill(worker, signal.SIGSTOP)
            try:
                waiting = [await asyncio.open_connection("127.0.0.1", here.port) for _ in range(30)]
                for _, writer in waiting:
                    writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                new = await here.start_next(1, "--concurrency", "1")
                answers = await asyncio.gather(*(asyncio.wait_for(read_answer(reader), PATIENCE) for reader, _ in waiting))
                assert {answer.status for answer in answers} == {200}
                assert (await asyncio.to_thread(new.admin.stats))["http.edge.downstream_rq_2xx"] == 30
                for _, writer in waiting:
                    writer.close()
                for worker in stopped:
                    os.kill(worker, signal.SIGCONT)
                async with Load(here.port, connections=4, fresh=True) as load:
                    assert await ended(old) == 0
                    await load.more(100)
                assert not load.failures, load.failures.most_common(3)
            finally:
                for worker in stopped:
                    with suppress(ProcessLookupError):
                        os.kill(worker, signal.SIGCONT)

    asyncio.run(scenario())


def test_a_third_process_takes_over_from_the_second(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as here:
            first = await here.start_first()
            async with Load(here.port, connections=4) as load:
                await load.more(50)
                second = await here.start_next(1)
                assert await ended(first) == 0
                third = await here.start_next(2)
                assert await ended(second) == 0
                await load.more(50)
            assert not load.failures, load.failures.most_common(3)
            assert (await asyncio.to_thread(third.admin.stats))["http.edge.downstream_rq_2xx"] == load.answers

    asyncio.run(scenario())


def test_the_old_process_takes_its_admin_endpoint_up_again_when_the_new_one_dies_too_early(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as here:
            old = await here.start_first()
            occupied = socket.socket()
            occupied.bind(("127.0.0.1", 0))
            occupied.listen()
            broken = here.bootstrap()
            broken["admin"] = {"address": bootstraps.address(occupied.getsockname()[1])}
            new = our_process(broken, tmp_path / "broken", "--restart-epoch", "1", "--base-id", here.base_id)
            with pytest.raises(ProxyRefusedError, match="in use"):
                await asyncio.to_thread(new.start)
            occupied.close()
            await asyncio.to_thread(wait_until, lambda: old.admin.ready(), "the admin endpoint of the old process")
            async with Load(here.port, connections=2) as load:
                await load.more(10)
            assert not load.failures

    asyncio.run(scenario())


def test_the_old_process_ends_without_being_told_when_the_new_one_is_gone(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as here:
            old = await here.start_first()
            with closing(await asyncio.to_thread(Http1Peer, here.port)) as kept:
                assert await asyncio.to_thread(kept.ask) == OK
                new = await here.start_next(1)
                # It is ready a moment before it has the old one drain; without that, the old one carries on.
                await asyncio.to_thread(wait_until, lambda: kept.ask() != OK, "the old process drains")
            os.kill(new.pid, signal.SIGKILL)
            assert await ended(old) == 0

    asyncio.run(scenario())


def test_without_a_process_of_the_epoch_before(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as here:
            base_id = str(os.getpid() + 1_000_000)
            with pytest.raises(ProxyRefusedError, match="cannot reach the process of the epoch before"):
                await here.start("--restart-epoch", "1", "--base-id", base_id, name="alone")
            proxy = await here.start(
                "--restart-epoch", "1", "--base-id", base_id, "--skip-hot-restart-on-no-parent", name="content"
            )
            assert await asyncio.to_thread(proxy.admin.ready)

    asyncio.run(scenario())


def test_a_base_id_that_was_asked_for_and_is_taken_keeps_a_process_from_starting(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as here:
            await here.start_first()
            with pytest.raises(ProxyRefusedError, match=r"unable to bind domain socket with base_id=.*see --base-id option"):
                await here.start("--base-id", here.base_id, name="second")

    asyncio.run(scenario())
