"""A part dies under load: the control plane, then a proxy.  Nobody's request fails who did not talk to the dead one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from controlplane.client.client import Client
from tests.support import bootstraps
from tests.support.control_plane_process import ControlPlaneProcess
from tests.support.load import Load
from tests.support.moving_world import LISTENER_NAME, Witness, messages
from tests.support.origin import Origin
from tests.support.proxy_process import ProxyProcess
from tests.support.subject import subject_process
from tests.support.waiting import wait_until_awaited

pytestmark = pytest.mark.e2e


@dataclass(slots=True)
class Mesh:
    """Two origins, a control plane at revision 0 of the moving world, two proxies that serve it."""

    origins: Sequence[Origin]
    control_plane: ControlPlaneProcess
    client: Client
    proxies: Sequence[ProxyProcess]
    ports: Sequence[int]

    async def publish(self, revision: int) -> None:
        await self.client.apply(*messages(revision, self.origins), prune=True)

    async def connected(self, *node_ids: str) -> None:
        """Return once the control plane says that these proxies are connected and no others."""

        async def are_connected() -> bool:
            proxies = (await self.client.proxies()).proxies
            return {proxy.node_id for proxy in proxies if not proxy.HasField("disconnected_at")} == set(node_ids)

        await wait_until_awaited(are_connected, f"connected: {node_ids}")


async def build(stack: AsyncExitStack, directory: Path) -> Mesh:
    origins = [await stack.enter_async_context(Origin(name)) for name in ("blue", "green")]
    control_plane = stack.enter_context(ControlPlaneProcess(directory / "control-plane"))
    client = await stack.enter_async_context(Client(control_plane.url))
    await client.apply(*messages(0, origins), prune=True)
    proxies = [
        subject_process(bootstraps.ads(control_plane.xds_port, name), directory / name, name=name) for name in ("left", "right")
    ]
    for proxy in proxies:
        stack.callback(proxy.kill)
    await asyncio.gather(*(asyncio.to_thread(proxy.start) for proxy in proxies))
    ports = [(await asyncio.to_thread(proxy.wait_listeners, [LISTENER_NAME]))[LISTENER_NAME] for proxy in proxies]
    return Mesh(origins, control_plane, client, proxies, ports)


async def control_plane_dies(directory: Path) -> list[Load]:
    async with AsyncExitStack() as stack:
        mesh = await build(stack, directory)
        witnesses = [Witness(mesh.origins) for _ in mesh.ports]
        loads = [Load(port, check=witness) for port, witness in zip(mesh.ports, witnesses, strict=True)]
        async with loads[0], loads[1]:
            await mesh.publish(1)
            for witness in witnesses:
                await witness.sees(1)
            mesh.control_plane.kill()
            for load in loads:
                await load.more(200)
            await asyncio.to_thread(mesh.control_plane.start)
            for load in loads:
                await load.more(200)
            await mesh.publish(2)
            for witness in witnesses:
                await witness.sees(2)
            for witness in witnesses:
                witness.revisions.clear()
            for load in loads:
                await load.more(50)
            # Nobody went back to what the control plane had before it died.
            assert [witness.revisions for witness in witnesses] == [{2}, {2}]
    return loads


def test_control_plane_killed_and_restarted_under_load(tmp_path: Path) -> None:
    for load in asyncio.run(control_plane_dies(tmp_path)):
        assert not load.failures, load.failures.most_common(3)


async def control_plane_is_away_at_start(directory: Path) -> None:
    async with AsyncExitStack() as stack:
        origins = [await stack.enter_async_context(Origin(name)) for name in ("blue", "green")]
        control_plane = stack.enter_context(ControlPlaneProcess(directory / "control-plane"))
        control_plane.kill()
        proxy = subject_process(bootstraps.ads(control_plane.xds_port, "early"), directory / "early")
        stack.callback(proxy.kill)
        proxy.spawn()
        await asyncio.to_thread(control_plane.start)
        client = await stack.enter_async_context(Client(control_plane.url))
        await client.apply(*messages(0, origins), prune=True)
        await asyncio.to_thread(proxy.wait_ready)
        ports = await asyncio.to_thread(proxy.wait_listeners, [LISTENER_NAME])
        witness = Witness(origins)
        async with Load(ports[LISTENER_NAME], check=witness) as load:
            await witness.sees(0)
        assert not load.failures, load.failures.most_common(3)


def test_a_proxy_started_first_comes_up_when_the_control_plane_does(tmp_path: Path) -> None:
    asyncio.run(control_plane_is_away_at_start(tmp_path))


async def proxy_dies(directory: Path) -> Load:
    async with AsyncExitStack() as stack:
        mesh = await build(stack, directory)
        left, right = mesh.proxies
        witness = Witness(mesh.origins)
        async with Load(mesh.ports[1], check=witness) as load:
            await load.more(100)
            await mesh.connected("left", "right")
            left.kill()
            await load.more(100)
            await mesh.publish(1)
            await witness.sees(1)
            await mesh.connected("right")
            # And it comes back to the present, not to what it had.
            await asyncio.to_thread(left.start)
            ports = await asyncio.to_thread(left.wait_listeners, [LISTENER_NAME])
            returned = Witness(mesh.origins)
            async with Load(ports[LISTENER_NAME], check=returned) as second:
                await second.more(50)
            assert returned.revisions == {1}
            assert not second.failures, second.failures.most_common(3)
            assert right.returncode is None
    return load


def test_proxy_killed_and_the_other_serves_on(tmp_path: Path) -> None:
    load = asyncio.run(proxy_dies(tmp_path))
    assert not load.failures, load.failures.most_common(3)
