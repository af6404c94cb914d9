"""The control plane as a process: killed and restarted, stopped by a signal, refusing to start where it must."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from envoy.config.cluster.v3 import cluster_pb2

from controlplane.base.type_url import CLUSTER
from controlplane.client import Client, wait_ready
from controlplane.client.local import ControlPlane, control_plane
from tests.support.stub_proxy import stub_proxy
from tests.support.waiting import PATIENCE, wait_until_async, wait_until_awaited

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]


def cluster(name: str) -> cluster_pb2.Cluster:
    message = cluster_pb2.Cluster(name=name, type="STATIC")
    message.connect_timeout.seconds = 1
    message.load_assignment.cluster_name = name
    return message


def with_process(directory: Path, test: Callable[[ControlPlane, Client], Awaitable[None]]) -> None:
    async def body() -> None:
        async with control_plane(directory) as plane, Client(plane.url) as client:
            await test(plane, client)

    asyncio.run(body())


def refusal(*arguments: str) -> str:
    """What the process says when it does not start."""
    command = [sys.executable, "-m", "controlplane", "serve", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE, cwd=ROOT)
    assert ended.returncode == 1, ended.stderr
    return ended.stderr


def free_ports(*names: str) -> list[str]:
    return [part for name in names for part in (f"--{name}-listen", "127.0.0.1:0")]


def test_after_a_kill_the_same_world_is_served_at_once(tmp_path: Path) -> None:
    async def body() -> None:
        async with control_plane(tmp_path) as plane, Client(plane.url) as client:
            await client.apply(cluster("a"))
            await client.apply(cluster("b"))
            plane.running.process.kill()
            await plane.running.process.wait()
        async with control_plane(tmp_path, xds=plane.xds) as again, Client(again.url) as client:
            async with stub_proxy(again.xds, "p1") as proxy:
                await wait_ready(client, 2)
                assert set(proxy.resources[CLUSTER]) == {"a", "b"}
                assert proxy.responses == 1, "an emptier world was sent first"
            assert (await client.revision()).number == 2

    asyncio.run(body())


def test_a_store_without_revisions_says_nothing_to_proxies(tmp_path: Path) -> None:
    async def test(plane: ControlPlane, client: Client) -> None:
        async with stub_proxy(plane.xds, "p1") as proxy:

            async def connected() -> bool:
                return len((await client.proxies()).proxies) == 1

            await wait_until_awaited(connected, "the proxy is connected")
            assert proxy.responses == 0
            await client.apply(cluster("a"))
            await wait_until_async(lambda: set(proxy.resources[CLUSTER]) == {"a"}, "the first revision arrives")
            assert proxy.responses == 1

    with_process(tmp_path, test)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly_whoever_is_connected(tmp_path: Path, number: signal.Signals) -> None:
    async def test(plane: ControlPlane, client: Client) -> None:
        async with stub_proxy(plane.xds, "p1"), client.events() as events:
            await client.apply(cluster("a"))
            await wait_ready(client, 1)
            plane.running.process.send_signal(number)
            assert await asyncio.wait_for(plane.running.process.wait(), PATIENCE) == 0
            assert {"revision", "ready"} <= {event.kind async for event in events}
        assert "Traceback" not in plane.running.log.read_text()

    with_process(tmp_path, test)


@pytest.mark.parametrize("name", ["api", "grpc"])
def test_beyond_loopback_a_token_is_needed(tmp_path: Path, name: str) -> None:
    others = free_ports(*({"api", "grpc", "xds"} - {name}))
    told = refusal("--data", str(tmp_path), f"--{name}-listen", "0.0.0.0:0", *others)
    assert "refusing to listen on 0.0.0.0 without a token" in told


def test_beyond_loopback_with_a_token_or_insecure(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret")

    async def body() -> None:
        for arguments, presented in ((["--token-file", str(token)], "s3cret"), (["--insecure"], "")):
            async with (
                control_plane(tmp_path, api="0.0.0.0:0", arguments=arguments) as plane,
                Client(plane.url, presented) as client,
            ):
                assert (await client.revision()).number == 0

    asyncio.run(body())


def test_an_unusable_token_file_store_or_port_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")
    ports = free_ports("api", "grpc", "xds")
    assert "is empty" in refusal("--data", str(tmp_path), "--token-file", str(empty), *ports)
    assert "cannot read token file" in refusal("--data", str(tmp_path), "--token-file", str(tmp_path / "none"), *ports)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for name in ("api", "grpc", "xds"):
            others = free_ports(*({"api", "grpc", "xds"} - {name}))
            assert f"cannot listen on {address}" in refusal("--data", str(tmp_path), f"--{name}-listen", address, *others)

    async def test(plane: ControlPlane, client: Client) -> None:
        told = await asyncio.to_thread(refusal, "--data", str(tmp_path / "data"), *ports)
        assert "cannot open store" in told

    with_process(tmp_path, test)
