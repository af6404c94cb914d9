"""A control plane and proxies as processes on this machine: for `pointsman up`, the demo and tests.

Here: commands, ports, logs, stopping.  Not here: what is configured.
Nothing is written outside the directory given.  Ports are the kernel's choice unless told otherwise; a process tells them by a file.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from controlplane.client.errors import ClientError

START_SECONDS = 30.0
STOP_SECONDS = 5.0
LOOK_EVERY_SECONDS = 0.05
ANY_PORT = "127.0.0.1:0"


class NotStarted(ClientError):
    """A process ended before it was up, or took too long."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process of ours.  log: the file with its output."""

    name: str
    process: asyncio.subprocess.Process
    log: Path


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A started control plane; addresses are host:port."""

    running: Running
    api: str
    grpc: str
    xds: str

    @property
    def url(self) -> str:
        return f"http://{self.api}"


@dataclass(frozen=True, slots=True)
class LocalProxy:
    """A started proxy; admin is host:port."""

    running: Running
    node_id: str
    admin: str


def proxy_command() -> list[str]:
    """How proxies are started: the environment variable POINTSMAN_PROXY, or this installation's."""
    return shlex.split(os.environ.get("POINTSMAN_PROXY", "")) or [sys.executable, "-m", "dataplane"]


@asynccontextmanager
async def control_plane(
    directory: Path,
    *,
    data: Path | None = None,
    api: str = ANY_PORT,
    grpc: str = ANY_PORT,
    xds: str = ANY_PORT,
    arguments: Sequence[str] = (),
) -> AsyncIterator[ControlPlane]:
    """A control plane, stopped on exit.  Raises NotStarted."""
    addresses = directory / "controlplane.addresses"
    addresses.unlink(missing_ok=True)
    command = [sys.executable, "-m", "controlplane", "serve", "--data", str(data or directory / "data")]
    command += ["--api-listen", api, "--grpc-listen", grpc, "--xds-listen", xds, "--addresses-file", str(addresses), *arguments]
    async with _started("controlplane", command, directory) as running:
        found = json.loads(await _content(addresses, running))
        yield ControlPlane(running, found["api"], found["grpc"], found["xds"])


@asynccontextmanager
async def proxy(
    node_id: str, directory: Path, xds: str, *, node_cluster: str = "local", command: Sequence[str] = ()
) -> AsyncIterator[LocalProxy]:
    """A proxy that takes its configuration from *xds*, stopped on exit.  Raises NotStarted."""
    bootstrap = directory / f"{node_id}.bootstrap.json"
    bootstrap.write_text(json.dumps(proxy_bootstrap(node_id, node_cluster, xds), indent=2), encoding="utf-8")
    admin = directory / f"{node_id}.admin"
    admin.unlink(missing_ok=True)
    flags = [
        "-c",
        str(bootstrap),
        "--admin-address-path",
        str(admin),
        "--concurrency",
        "1",
        "--disable-hot-restart",
        "-l",
        "warning",
    ]
    async with _started(node_id, [*(command or proxy_command()), *flags], directory) as running:
        yield LocalProxy(running, node_id, await _content(admin, running))


@asynccontextmanager
async def proxies(count: int, directory: Path, xds: str) -> AsyncIterator[list[LocalProxy]]:
    """Several proxies, `proxy-1` and so on, started at the same time."""
    async with AsyncExitStack() as stack:
        starting = [stack.enter_async_context(proxy(f"proxy-{n}", directory, xds)) for n in range(1, count + 1)]
        yield list(await asyncio.gather(*starting))


def proxy_bootstrap(node_id: str, node_cluster: str, xds: str) -> dict[str, object]:
    """The least that makes a proxy, ours or Envoy, ask *xds* (host:port) for everything else."""
    host, _, port = xds.rpartition(":")
    xds_address = {"socket_address": {"address": host.strip("[]"), "port_value": int(port)}}
    http2 = {"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"}
    from_ads = {"resource_api_version": "V3", "ads": {}}
    cluster = {
        "name": "control_plane",
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2
            | {"explicit_http_config": {"http2_protocol_options": {}}}
        },
        "load_assignment": {
            "cluster_name": "control_plane",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": xds_address}}]}],
        },
    }
    ads = {
        "api_type": "DELTA_GRPC",
        "transport_api_version": "V3",
        "grpc_services": [{"envoy_grpc": {"cluster_name": "control_plane"}}],
    }
    return {
        "node": {"id": node_id, "cluster": node_cluster},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "dynamic_resources": {"ads_config": ads, "lds_config": from_ads, "cds_config": from_ads},
        "static_resources": {"clusters": [cluster]},
    }


@asynccontextmanager
async def _started(name: str, command: Sequence[str], directory: Path) -> AsyncIterator[Running]:
    log = directory / f"{name}.log"
    with log.open("ab") as output:
        try:
            # A group of its own: Ctrl-C in the terminal reaches only us, and we stop the others in order.
            process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output, start_new_session=True)
        except OSError as error:
            raise NotStarted(f"cannot start {name}: {error}") from error
    try:
        yield Running(name, process, log)
    finally:
        await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _content(path: Path, running: Running) -> str:
    """The content of a file that *running* writes when it is up."""
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    while not (content := _read(path)):
        if running.process.returncode is not None:
            raise NotStarted(f"{running.name} ended with {running.process.returncode}:\n{_tail(running.log)}")
        if asyncio.get_running_loop().time() > deadline:
            raise NotStarted(f"{running.name} is not up after {START_SECONDS:g} s:\n{_tail(running.log)}")
        await asyncio.sleep(LOOK_EVERY_SECONDS)
    return content


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
