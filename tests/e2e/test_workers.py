"""Several workers: what an operator sees of them, and what clients see when one dies, stands still, or all are told to end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import bootstraps
from tests.support.hasty_server import HastyServer
from tests.support.load import Load, read_answer
from tests.support.moving_world import LISTENER_NAME, Witness, messages
from tests.support.origin import Origin
from tests.support.our_process import our_process
from tests.support.proxy_process import ProxyProcess
from tests.support.waiting import PATIENCE, wait_until, wait_until_async, wait_until_awaited
from tests.support.worker_processes import wait_workers

pytestmark = pytest.mark.e2e

# An interpreter's start is not part of it: a spare process waits.  On a busy machine everything takes longer, so the best of a few counts.
REPLACED_WITHIN = 1.0
REQUEST = b"GET / HTTP/1.1\r\nhost: workers.test\r\n\r\n"


@dataclass(slots=True)
class World:
    """A proxy with two workers in front of one origin."""

    proxy: ProxyProcess
    origin: Origin
    port: int


@asynccontextmanager
async def two_workers(directory: Path, *flags: str, **cluster: Any) -> AsyncIterator[World]:
    async with Origin("blue") as origin:
        routes = [{"match": {"prefix": "/"}, "route": {"cluster": "app"}}]
        log = {
            "name": "file",
            "typed_config": {
                "@type": bootstraps.TYPE + "access_loggers.file.v3.FileAccessLog",
                "path": str(directory / "access.log"),
                "log_format": {"text_format_source": {"inline_string": "%REQ(:PATH)% %RESPONSE_CODE%\n"}},
            },
        }
        listener = bootstraps.http_listener("edge", routes, access_log=[log])
        bootstrap = bootstraps.static([listener], [bootstraps.static_cluster("app", origin.port, **cluster)])
        proxy = our_process(bootstrap, directory, "--concurrency", "2", *flags)
        await asyncio.to_thread(proxy.start)
        try:
            ports = await asyncio.to_thread(proxy.wait_listeners, ["edge"])
            yield World(proxy, origin, ports["edge"])
        finally:
            await asyncio.to_thread(proxy.stop)


async def ask_once(port: int) -> int:
    """The status of one request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(REQUEST)
        return (await read_answer(reader)).status
    finally:
        writer.close()


async def stats(proxy: ProxyProcess, pattern: str = "") -> dict[str, int]:
    return await asyncio.to_thread(proxy.admin.stats, pattern)


def test_connections_spread_over_workers_and_stats_are_their_sum(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with two_workers(tmp_path) as world:
            for _ in range(128):
                assert await ask_once(world.port) == 200
            found = await stats(world.proxy)
            shares = [found[f"listener.127.0.0.1_0.worker_{n}.downstream_cx_total"] for n in (0, 1)]
            # The kernel spreads by a hash of the addresses: each is a toss of a coin.  A quarter of 128 is 5.7 standard deviations from
            # the middle, which comes once in 60 million times.
            assert sum(shares) == 128
            assert min(shares) > 32
            assert found["http.edge.downstream_rq_2xx"] == 128
            assert found["cluster.app.upstream_rq_200"] == 128
            assert found["cluster.app.membership_total"] == 1
            assert found["server.concurrency"] == 2
            assert found["listener_manager.workers_started"] == 1
            assert found["listener_manager.total_listeners_active"] == 1
            hosts = await asyncio.to_thread(world.proxy.admin.get, "/clusters")
            assert f"app::127.0.0.1:{world.origin.port}::rq_total::128\n" in hosts
            histogram = await asyncio.to_thread(world.proxy.admin.get, "/stats/prometheus?filter=downstream_rq_time")
            assert 'envoy_http_downstream_rq_time_count{envoy_http_conn_manager_prefix="edge"} 128\n' in histogram

    asyncio.run(scenario())


def test_counters_are_reset_everywhere(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with two_workers(tmp_path) as world:
            assert await ask_once(world.port) == 200
            assert (await stats(world.proxy))["http.edge.downstream_rq_2xx"] == 1
            reply = await asyncio.to_thread(world.proxy.admin.request, "/reset_counters", "POST")
            assert reply.status == 200
            assert (await stats(world.proxy))["http.edge.downstream_rq_2xx"] == 0

    asyncio.run(scenario())


async def kill_one(world: World) -> float:
    """Under load.  Returns after how many seconds everybody who came since was answered."""
    victim, survivor = await asyncio.to_thread(wait_workers, world.proxy, 2)
    loop = asyncio.get_running_loop()
    async with Load(world.port, connections=8) as load:
        await load.more(100)
        os.kill(victim, signal.SIGKILL)
        killed_at = loop.time()
        # Some of these fall to the socket of the dead: they wait in its queue.
        statuses = await asyncio.gather(*(ask_once(world.port) for _ in range(32)))
        took = loop.time() - killed_at
        await load.more(200)
    assert statuses == [200] * 32
    # Of the connections that the dead worker had, each ends once; none of the others, and none is refused.
    assert sum(load.failures.values()) <= 8
    assert not [what for what in load.failures if "Refused" in what]
    workers = await asyncio.to_thread(wait_workers, world.proxy, 2)
    assert survivor in workers
    assert victim not in workers
    return took


def test_a_killed_worker_is_replaced_and_no_connection_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with two_workers(tmp_path) as world:
            took: list[float] = []
            while not took or (min(took) > REPLACED_WITHIN and len(took) < 3):
                took.append(await kill_one(world))
            assert min(took) < REPLACED_WITHIN, took
            found = await stats(world.proxy, "pointsman")
            assert found["pointsman.workers_replaced"] == len(took)
            assert found["pointsman.workers"] == 2

    asyncio.run(scenario())


def test_what_a_dead_worker_counted_stays_counted(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with two_workers(tmp_path) as world:
            victims = await asyncio.to_thread(wait_workers, world.proxy, 2)
            for _ in range(16):
                assert await ask_once(world.port) == 200
            assert (await stats(world.proxy))["http.edge.downstream_rq_2xx"] == 16
            os.kill(victims[0], signal.SIGKILL)
            await asyncio.to_thread(
                wait_until, lambda: world.proxy.admin.stats("pointsman")["pointsman.workers_replaced"] == 1, "a replacement"
            )
            assert (await stats(world.proxy))["http.edge.downstream_rq_2xx"] == 16

    asyncio.run(scenario())


def test_a_worker_that_stands_still_slows_nobody(tmp_path: Path) -> None:
    async def answered(port: int, limit: float) -> bool:
        try:
            return await asyncio.wait_for(ask_once(port), limit) == 200
        except TimeoutError:
            return False

    async def scenario() -> None:
        async with two_workers(tmp_path) as world:
            stalled, _ = await asyncio.to_thread(wait_workers, world.proxy, 2)
            async with AsyncExitStack() as stack:
                connections = [await asyncio.open_connection("127.0.0.1", world.port) for _ in range(24)]
                for _, writer in connections:
                    stack.callback(writer.close)
                os.kill(stalled, signal.SIGSTOP)
                stack.callback(os.kill, stalled, signal.SIGCONT)
                for _, writer in connections:
                    writer.write(REQUEST)
                answers = [asyncio.create_task(read_answer(reader)) for reader, _ in connections]
                loop = asyncio.get_running_loop()
                await wait_until_async(lambda: any(each.done() for each in answers), "an answer of the other worker")
                moving = [each for each, answer in zip(connections, answers, strict=True) if answer.done()]
                begun = loop.time()
                for _ in range(100):
                    reader, writer = moving[0]
                    writer.write(REQUEST)
                    assert (await asyncio.wait_for(read_answer(reader), PATIENCE)).status == 200
                assert (loop.time() - begun) / 100 < 0.1
                # The main process is not held up either, and says what is going on; without a `kill_timeout` that is all.
                assert not all(answer.done() for answer in answers)  # they wait in its queue, as for a thread of Envoy's

                async def missed() -> bool:
                    return (await stats(world.proxy, "watchdog"))["server.worker_0.watchdog_mega_miss"] >= 1

                await wait_until_awaited(missed, "an alarm")
                assert "edge::" in await asyncio.to_thread(world.proxy.admin.get, "/listeners")
                assert (await stats(world.proxy))["http.edge.downstream_rq_2xx"] >= 100
                os.kill(stalled, signal.SIGCONT)
                assert {(await each).status for each in answers} == {200}
                assert (await stats(world.proxy, "pointsman"))["pointsman.workers_replaced"] == 0

    asyncio.run(scenario())


def test_no_failed_request_while_the_configuration_moves_and_a_generation_counts_when_all_have_it(tmp_path: Path) -> None:
    revisions = 25

    async def scenario() -> None:
        async with AsyncExitStack() as stack:
            origins = [await stack.enter_async_context(Origin(name)) for name in ("blue", "green")]
            server = await stack.enter_async_context(HastyServer())
            await server.publish(messages(0, origins))
            proxy = our_process(bootstraps.ads(server.port, "hasty", "GRPC"), tmp_path, "--concurrency", "2")
            await asyncio.to_thread(proxy.start)
            stack.push_async_callback(asyncio.to_thread, proxy.stop)
            port = (await asyncio.to_thread(proxy.wait_listeners, [LISTENER_NAME]))[LISTENER_NAME]
            stalled, _ = await asyncio.to_thread(wait_workers, proxy, 2)
            witness = Witness(origins)
            async with Load(port, connections=8, check=witness) as load:
                for revision in range(1, revisions + 1):
                    await server.publish(messages(revision, origins))
                    await load.more(20)
                await witness.sees(revisions)
            assert not load.failures, load.failures.most_common(3)
            os.kill(stalled, signal.SIGSTOP)
            stack.callback(os.kill, stalled, signal.SIGCONT)
            before = (await stats(proxy, "pointsman"))["pointsman.generation"]
            for revision in range(revisions + 1, revisions + 4):
                version = await server.publish(messages(revision, origins))
                await wait_until_async(lambda: min(server.acked.values()) >= version, "everything acknowledged")  # noqa: B023
            found = await stats(proxy, "pointsman")
            assert found["pointsman.generation"] == before
            assert found["pointsman.workers_behind"] == 1
            os.kill(stalled, signal.SIGCONT)
            async with Load(port, connections=8, check=witness) as load:
                await witness.sees(revisions + 3)
            assert not load.failures, load.failures.most_common(3)

            async def followed() -> bool:
                return (await stats(proxy, "pointsman"))["pointsman.workers_behind"] == 0

            await wait_until_awaited(followed, "the generation in use everywhere")
            assert (await stats(proxy, "pointsman"))["pointsman.generation"] > before

    asyncio.run(scenario())


def test_sigterm_lets_every_worker_finish_its_requests(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with two_workers(tmp_path, "--drain-time-s", "10") as world:
            connections = [await asyncio.open_connection("127.0.0.1", world.port) for _ in range(16)]
            for _, writer in connections:
                writer.write(REQUEST[:-2])  # not complete: under way in its worker
            await asyncio.to_thread(
                wait_until,
                lambda: world.proxy.admin.stats("rq_active").get("http.edge.downstream_rq_active") == 16,
                "all requests begun",
            )
            os.kill(world.proxy.pid, signal.SIGTERM)
            await asyncio.to_thread(wait_until, lambda: refused(world.port), "the listening sockets closed")
            for _, writer in connections:
                writer.write(b"\r\n")
            answers = [await asyncio.wait_for(read_answer(reader), PATIENCE) for reader, _ in connections]
            assert {answer.status for answer in answers} == {200}
            assert {answer.headers["connection"] for answer in answers} == {"close"}
            for _, writer in connections:
                writer.close()
            await asyncio.to_thread(wait_until, lambda: world.proxy.returncode is not None, "the end of the process")
            assert world.proxy.returncode == 0
            lines = (tmp_path / "access.log").read_text().splitlines()
            assert lines == ["/ 200"] * 16

    asyncio.run(scenario())


def refused(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_access_log_lines_of_two_workers_are_whole_and_survive_a_rotation(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with two_workers(tmp_path) as world:
            async with Load(world.port, connections=8, path="/first") as load:
                await load.more(300)
            first = load.answers
            (tmp_path / "access.log").rename(tmp_path / "access.log.1")
            assert (await asyncio.to_thread(world.proxy.admin.request, "/reopen_logs", "POST")).status == 200
            async with Load(world.port, connections=8, path="/second") as load:
                await load.more(300)
        old = (tmp_path / "access.log.1").read_text().splitlines()
        new = (tmp_path / "access.log").read_text().splitlines()
        assert sorted(old + new) == ["/first 200"] * first + ["/second 200"] * load.answers
        assert new.count("/second 200") == load.answers

    asyncio.run(scenario())


def test_active_health_checks_run_once_and_every_worker_follows_them(tmp_path: Path) -> None:
    check = {
        "timeout": "1s",
        "interval": "0.1s",
        "no_traffic_interval": "0.1s",
        "no_traffic_healthy_interval": "0.1s",
        "healthy_threshold": 1,
        "unhealthy_threshold": 1,
        "http_health_check": {"path": "/"},
    }
    no_panic = {"healthy_panic_threshold": {"value": 0}}

    async def scenario() -> None:
        async with two_workers(tmp_path, health_checks=[check], common_lb_config=no_panic) as world:

            async def all_answer(status: int) -> bool:
                return {await ask_once(world.port) for _ in range(12)} == {status}

            await wait_until_awaited(lambda: all_answer(200), "healthy for both workers")
            world.origin.answer = b"HTTP/1.1 500 no\r\ncontent-length: 0\r\n\r\n"
            await wait_until_awaited(lambda: all_answer(503), "failed for both workers")
            world.origin.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
            await wait_until_awaited(lambda: all_answer(200), "healthy again for both workers")
            found = await stats(world.proxy, "cluster.app")
            assert found["cluster.app.health_check.attempt"] > 0
            assert found["cluster.app.membership_healthy"] == 1

    asyncio.run(scenario())


def test_log_levels_and_health_failure_reach_every_worker(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with two_workers(tmp_path) as world:
            admin = world.proxy.admin
            assert "trace" in (await asyncio.to_thread(admin.request, "/logging?http=trace", "POST")).body
            assert (await asyncio.to_thread(admin.request, "/healthcheck/fail", "POST")).status == 200

            async def closing() -> bool:
                return {await connection_header(world.port) for _ in range(12)} == {"close"}

            await wait_until_awaited(closing, "every worker asks its connections to end")
            assert (await asyncio.to_thread(admin.request, "/healthcheck/ok", "POST")).status == 200

            async def staying() -> bool:
                return {await connection_header(world.port) for _ in range(12)} == {None}

            await wait_until_awaited(staying, "connections stay again")

    asyncio.run(scenario())


async def connection_header(port: int) -> str | None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(REQUEST)
        return (await read_answer(reader)).headers.get("connection")
    finally:
        writer.close()
