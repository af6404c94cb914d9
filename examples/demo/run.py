"""The demo: one control plane, two proxies, two upstreams; routes change under traffic and no request fails.

    python -m examples.demo.run          stays until Ctrl-C
    python -m examples.demo.run --once   checks itself and ends: 0 when all is well, 1 with what failed

Everything lives in a temporary directory and on ports that the kernel chooses.  POINTSMAN_PROXY names another proxy to run, such as
`envoy`.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from rich.console import Console
from rich.table import Table

from controlplane.client import Client, ClientError, Rejected, Writing, wait_ready
from controlplane.client.commands.up import first_to_end
from controlplane.client.local import ControlPlane, LocalProxy, control_plane, proxies
from controlplane.client.session import problem_text
from examples.demo.traffic import Traffic, flowing
from examples.demo.upstream import start

HERE = Path(__file__).parent
FILES = ("clusters.yaml", "endpoints.yaml", "listener.yaml", "routes.yaml")
READY_SECONDS = 20.0
# Enough to tell 10 % from 50 %: with 300 requests the share is off by more than SLACK once in 100,000 runs.
SAMPLE = 300
SAMPLE_SECONDS = 20.0
SLACK = 0.13

console = Console(highlight=False)


def say(text: str) -> None:
    console.print(text, soft_wrap=True)


class Failed(Exception):
    """The demo did not show what it promises."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change under traffic.  share: the part of requests that version 2 must get afterwards."""

    title: str
    share: float
    change: Callable[[list[dict[str, Any]]], None]


def weights(v1: int, v2: int) -> Callable[[list[dict[str, Any]]], None]:
    def change(resources: list[dict[str, Any]]) -> None:
        first, second = _named(resources, "shop")["virtual_hosts"][0]["routes"][-1]["route"]["weighted_clusters"]["clusters"]
        first["weight"], second["weight"] = v1, v2

    return change


def all_to_v2(resources: list[dict[str, Any]]) -> None:
    routes = _named(resources, "shop")["virtual_hosts"][0]["routes"]
    routes.insert(0, {"match": {"prefix": "/orders"}, "route": {"cluster": "shop-v2"}})


STEPS = (
    Step("weights 90:10 become 50:50", 0.5, weights(50, 50)),
    Step("a new route sends /orders to v2", 1.0, all_to_v2),
)


def resources_with(ports: dict[str, int]) -> list[dict[str, Any]]:
    """The files of this directory, with the upstreams' real ports and a listener port for each proxy to choose."""
    texts = [(HERE / name).read_text(encoding="utf-8") for name in FILES]
    resources = [resource for text in texts for resource in yaml.safe_load_all(text)]
    for cluster, port in ports.items():
        endpoint = _named(resources, cluster, "ClusterLoadAssignment")["endpoints"][0]["lb_endpoints"][0]["endpoint"]
        endpoint["address"]["socket_address"]["port_value"] = port
    _named(resources, "ingress")["address"]["socket_address"]["port_value"] = 0
    return resources


def _named(resources: Iterable[dict[str, Any]], name: str, kind: str = "") -> dict[str, Any]:
    for resource in resources:
        if name in (resource.get("name"), resource.get("cluster_name")) and resource["@type"].endswith(kind):
            return resource
    raise KeyError(name)


async def demonstrate(once: bool) -> None:
    """Raises Failed, or ClientError where something did not even start."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pointsman-demo-")))
        ports = {}
        for version in ("v1", "v2"):
            runner, ports[f"shop-{version}"] = await start(version, "127.0.0.1", 0)
            stack.push_async_callback(runner.cleanup)
        plane = await stack.enter_async_context(control_plane(directory))
        running = await stack.enter_async_context(proxies(2, directory, plane.xds))
        client = await stack.enter_async_context(Client(plane.url))
        watching = asyncio.create_task(first_to_end([plane.running, *(each.running for each in running)], stop))
        showing = asyncio.create_task(_show(client, plane, running, ports))
        await asyncio.wait((watching, showing), return_when=asyncio.FIRST_COMPLETED)
        if showing.done():
            await showing
            if once:
                return
            say("Running until Ctrl-C.")
        else:
            showing.cancel()
        ended = await watching
        if ended is not None:
            raise Failed(f"{ended.name} ended with {ended.process.returncode}:\n{ended.log.read_text(errors='replace')[-2000:]}")


async def _show(client: Client, plane: ControlPlane, running: list[LocalProxy], ports: dict[str, int]) -> None:
    resources = resources_with(ports)
    outcome = await client.apply(*resources, writing=Writing("demo", "the shop, nine to one"))
    first = outcome.revision.number
    await wait_ready(client, first, within=READY_SECONDS, at_least=len(running))
    listeners = {proxy.node_id: await _listener(proxy) for proxy in running}
    _print_addresses(plane, running, listeners, ports)
    async with flowing({name: f"http://{address}/orders" for name, address in listeners.items()}) as traffic:
        await _check_shares(traffic, "as applied: weights 90:10", 0.1)
        for step in STEPS:
            step.change(resources)
            await _change(client, traffic, len(running), step, _apply(client, resources, step.title))
        back = Step(f"roll back to revision {first}", 0.1, weights(90, 10))
        await _change(client, traffic, len(running), back, _roll_back(client, first))
    if traffic.failures:
        raise Failed(f"{len(traffic.failures)} of {traffic.total} requests failed; first: {traffic.failures[0]}")
    say(f"\n{traffic.total} requests to {len(running)} proxies while the configuration changed, [bold]none failed[/].")
    address = next(iter(listeners.values()))
    say(f"Try:  curl http://{address}/orders    pointsman --server {plane.url} proxies")


async def _apply(client: Client, resources: list[dict[str, Any]], title: str) -> int:
    return (await client.apply(*resources, writing=Writing("demo", title))).revision.number


async def _roll_back(client: Client, revision: int) -> int:
    return (await client.roll_back(revision, writing=Writing("demo"))).revision.number


async def _change(client: Client, traffic: Traffic, count: int, step: Step, making: Awaitable[int]) -> None:
    """Make a revision and see that every proxy follows it."""
    began = time.monotonic()
    revision = await making
    await wait_ready(client, revision, within=READY_SECONDS, at_least=count)
    took = time.monotonic() - began
    await _check_shares(traffic, f"revision {revision}: {step.title}; on every proxy after {took * 1000:.0f} ms", step.share)


async def _check_shares(traffic: Traffic, title: str, share: float) -> None:
    """Every proxy sends version 2 its share, at the latest after a few samples: accepted is a moment before used."""
    deadline = time.monotonic() + SAMPLE_SECONDS
    while True:
        traffic.restart_counting()
        try:
            await traffic.until(SAMPLE, deadline - time.monotonic())
        except TimeoutError as error:
            raise Failed(f"{title}: fewer than {SAMPLE} answers from each proxy in {SAMPLE_SECONDS:g} s") from error
        found = {name: counts.versions["v2"] / counts.requests for name, counts in traffic.counts.items()}
        shown = ", ".join(f"{name} sends {part:.0%} to v2" for name, part in found.items())
        wrong = [name for name, part in found.items() if abs(part - share) > (SLACK if 0 < share < 1 else 0)]
        if not wrong:
            say(f"{title}: {shown}; {traffic.total} requests so far, {len(traffic.failures)} failed")
            return
        if time.monotonic() > deadline:
            raise Failed(f"{title}: {shown}; expected {share:.0%}")


async def _listener(proxy: LocalProxy) -> str:
    """Where the proxy really listens: its admin endpoint knows what the kernel chose."""
    deadline = time.monotonic() + READY_SECONDS
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < deadline:
            async with session.get(f"http://{proxy.admin}/listeners?format=json") as response:
                for status in (await response.json(content_type=None)).get("listener_statuses", ()):
                    address = status["local_address"]["socket_address"]
                    if status["name"] == "ingress" and address["port_value"]:
                        return f"{address['address']}:{address['port_value']}"
            await asyncio.sleep(0.05)
    raise Failed(f"{proxy.node_id} has no listener after {READY_SECONDS:g} s")


def _print_addresses(plane: ControlPlane, running: list[LocalProxy], listeners: dict[str, str], ports: dict[str, int]) -> None:
    table = Table("process", "what", "address")
    table.add_row("control plane", "REST API", plane.url)
    table.add_row("control plane", "gRPC API", plane.grpc)
    table.add_row("control plane", "xDS", plane.xds)
    for proxy in running:
        table.add_row(proxy.node_id, "requests", f"http://{listeners[proxy.node_id]}")
        table.add_row(proxy.node_id, "admin", f"http://{proxy.admin}")
    for name, port in ports.items():
        table.add_row(name, "upstream", f"http://127.0.0.1:{port}")
    console.print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--once", action="store_true", help="check and end instead of staying")
    once = parser.parse_args().once
    try:
        asyncio.run(demonstrate(once))
    except (Failed, ClientError) as error:
        say(f"[bold red]failed:[/] {error}")
        for problem in error.problems if isinstance(error, Rejected) else ():
            console.print(problem_text(problem), markup=False, soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
