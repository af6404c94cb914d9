"""Five revisions a second under load: no request fails, none sees half of a revision.

Once through our control plane, once with a server that sends routes before their clusters and removes the old at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from controlplane.client.client import Client
from tests.support import bootstraps
from tests.support.control_plane_process import ControlPlaneProcess
from tests.support.envoy_process import envoy_process
from tests.support.hasty_server import HastyServer
from tests.support.load import Load
from tests.support.moving_world import LISTENER_NAME, Witness, messages
from tests.support.origin import Origin
from tests.support.proxy_process import ProxyProcess
from tests.support.subject import subject_process

pytestmark = pytest.mark.e2e

REVISIONS_PER_SECOND = 5
REVISIONS = 50
# A revision may be replaced before any request has met it, but if most are, the churn was not under load.
SEEN_AT_LEAST = REVISIONS // 2


async def start(proxies: Sequence[ProxyProcess]) -> list[int]:
    """Start all and return the ports of their moving listeners."""
    await asyncio.gather(*(asyncio.to_thread(proxy.start) for proxy in proxies))
    return [(await asyncio.to_thread(proxy.wait_listeners, [LISTENER_NAME]))[LISTENER_NAME] for proxy in proxies]


async def stop(proxies: Sequence[ProxyProcess]) -> None:
    await asyncio.gather(*(asyncio.to_thread(proxy.stop) for proxy in proxies))


class Beat:
    """Ticks at the pace of the churn, however long the work between two ticks took."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.time()

    async def tick(self) -> None:
        self._next += 1 / REVISIONS_PER_SECOND
        await asyncio.sleep(max(0.0, self._next - self._loop.time()))


def judge(loads: Sequence[Load], witnesses: Sequence[Witness]) -> None:
    for load, witness in zip(loads, witnesses, strict=True):
        assert not load.failures, load.failures.most_common(3)
        assert len(witness.revisions) >= SEEN_AT_LEAST, f"only {len(witness.revisions)} revisions were in use"
        assert REVISIONS in witness.revisions


async def through_our_control_plane(directory: Path) -> None:
    async with AsyncExitStack() as stack:
        origins = [await stack.enter_async_context(Origin(name)) for name in ("blue", "green")]
        control_plane = stack.enter_context(ControlPlaneProcess(directory / "control-plane"))
        client = await stack.enter_async_context(Client(control_plane.url))
        await client.apply(*messages(0, origins), prune=True)
        proxies = [
            subject_process(bootstraps.ads(control_plane.xds_port, name, api_type), directory / name, name=name)
            for name, api_type in (("delta", "DELTA_GRPC"), ("sotw", "GRPC"))
        ]
        stack.push_async_callback(stop, proxies)
        ports = await start(proxies)
        witnesses = [Witness(origins) for _ in ports]
        loads = [Load(port, check=witness) for port, witness in zip(ports, witnesses, strict=True)]
        async with loads[0], loads[1]:
            beat = Beat()
            for revision in range(1, REVISIONS + 1):
                await client.apply(*messages(revision, origins), prune=True)
                await beat.tick()
            for witness in witnesses:
                await witness.sees(REVISIONS)
    judge(loads, witnesses)


def test_no_failed_request_through_our_control_plane(tmp_path: Path) -> None:
    asyncio.run(through_our_control_plane(tmp_path))


async def with_a_hasty_server(proxy_of: object, directory: Path) -> tuple[Load, Witness, HastyServer]:
    assert callable(proxy_of)
    async with AsyncExitStack() as stack:
        origins = [await stack.enter_async_context(Origin(name)) for name in ("blue", "green")]
        server = await stack.enter_async_context(HastyServer())
        await server.publish(messages(0, origins))
        proxy = proxy_of(bootstraps.ads(server.port, "hasty", "GRPC"), directory)
        stack.push_async_callback(stop, [proxy])
        [port] = await start([proxy])
        witness = Witness(origins)
        async with Load(port, check=witness) as load:
            beat = Beat()
            for revision in range(1, REVISIONS + 1):
                await server.publish(messages(revision, origins))
                await beat.tick()
            await witness.sees(REVISIONS)
    return load, witness, server


def test_no_failed_request_when_routes_come_before_their_clusters(tmp_path: Path) -> None:
    load, witness, server = asyncio.run(with_a_hasty_server(subject_process, tmp_path))
    assert not server.nacks
    judge([load], [witness])


@pytest.mark.differential
def test_envoy_fails_requests_when_routes_come_before_their_clusters(tmp_path: Path) -> None:
    """The test above would prove nothing with a server that is not hasty enough."""
    load, _, _ = asyncio.run(with_a_hasty_server(envoy_process, tmp_path))
    assert any("503" in what for what in load.failures), load.failures
