"""A proxy that starts while its control plane is away serves the last good configuration, and catches up later."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from controlplane.client.client import Client
from tests.support import bootstraps
from tests.support.control_plane_process import ControlPlaneProcess
from tests.support.load import Answer, read_answer
from tests.support.moving_world import LISTENER_NAME, messages
from tests.support.origin import Origin
from tests.support.our_process import our_process
from tests.support.proxy_process import ProxyProcess
from tests.support.waiting import wait_until_async, wait_until_awaited

pytestmark = pytest.mark.e2e


async def ask(proxy: ProxyProcess) -> Answer:
    port = proxy.wait_listeners([LISTENER_NAME])[LISTENER_NAME]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n")
    try:
        return await read_answer(reader)
    finally:
        writer.close()


async def revision(proxy: ProxyProcess) -> str:
    answer = await ask(proxy)
    return answer.headers.get("x-revision", str(answer))


def in_use(proxy: ProxyProcess) -> int:
    return proxy.admin.stats()["pointsman.journal.in_use"]


async def outlive(directory: Path) -> None:
    async with AsyncExitStack() as stack:
        origins = [await stack.enter_async_context(Origin(name)) for name in ("blue", "green")]
        control_plane = stack.enter_context(ControlPlaneProcess(directory / "control-plane"))
        client = await stack.enter_async_context(Client(control_plane.url))
        proxies: list[ProxyProcess] = []
        journals = {api_type: directory / f"journal-{api_type}" for api_type in ("DELTA_GRPC", "GRPC")}
        for api_type, journal in journals.items():
            bootstrap = bootstraps.ads(control_plane.xds_port, api_type, api_type)
            proxies.append(our_process(bootstrap, directory / api_type, "--journal-path", str(journal)))
            stack.callback(proxies[-1].kill)

        async def all_serve(wanted: str) -> bool:
            return [await revision(proxy) for proxy in proxies] == [wanted, wanted]

        async def start() -> None:
            await asyncio.gather(*(asyncio.to_thread(proxy.start) for proxy in proxies))

        def journaled(wanted: bytes, gone: bytes) -> bool:
            written = [journal.read_bytes() for journal in journals.values() if journal.exists()]
            return len(written) == 2 and all(wanted in data and gone not in data for data in written)

        await client.apply(*messages(1, origins), prune=True)
        await start()
        await client.apply(*messages(2, origins), prune=True)
        await wait_until_async(lambda: journaled(b"cluster-2", b"cluster-1"), "the journal of revision 2")
        for each in (*proxies, control_plane):
            each.kill()

        await start()
        assert await all_serve("2")
        assert [await asyncio.to_thread(in_use, proxy) for proxy in proxies] == [1, 1]

        await asyncio.to_thread(control_plane.start)
        await client.apply(*messages(3, origins), prune=True)
        await wait_until_awaited(lambda: all_serve("3"), "the revision that came after", 40.0)
        assert [await asyncio.to_thread(in_use, proxy) for proxy in proxies] == [0, 0]
        await wait_until_async(lambda: journaled(b"cluster-3", b"cluster-2"), "the journal of revision 3")


def test_proxies_outlive_their_control_plane_and_themselves(tmp_path: Path) -> None:
    asyncio.run(outlive(tmp_path))
