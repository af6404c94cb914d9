"""`pointsman up`: everything on this machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from pathlib import Path

import click

from controlplane.client.errors import ClientError
from controlplane.client.local import ControlPlane, LocalProxy, Running, control_plane, proxies
from controlplane.client.output import show_table


@click.command()
@click.option("--proxies", "count", type=click.IntRange(min=0), default=1, show_default=True, help="How many proxies.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default="pointsman-data",
    show_default=True,
    help="Directory for the store, bootstraps and logs; kept, so that the next start continues.",
)
@click.option("--api-listen", default="127.0.0.1:8080", show_default=True, metavar="HOST:PORT")
@click.option("--grpc-listen", default="127.0.0.1:8081", show_default=True, metavar="HOST:PORT")
@click.option("--xds-listen", default="127.0.0.1:18000", show_default=True, metavar="HOST:PORT")
def up(count: int, data: Path, api_listen: str, grpc_listen: str, xds_listen: str) -> None:
    """Start a control plane and proxies on this machine, and stay until Ctrl-C."""
    data.mkdir(parents=True, exist_ok=True)
    try:
        ended = asyncio.run(_up(count, data, api_listen, grpc_listen, xds_listen))
    except ClientError as error:
        raise click.ClickException(str(error)) from error
    if ended is not None:
        raise click.ClickException(f"{ended.name} ended with {ended.process.returncode}; its log is {ended.log}")


async def _up(count: int, data: Path, api: str, grpc: str, xds: str) -> Running | None:
    """Returns the process that ended by itself, None after a signal."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with control_plane(data, data=data, api=api, grpc=grpc, xds=xds) as plane, proxies(count, data, plane.xds) as started:
        _show(plane, started)
        return await first_to_end([plane.running, *(each.running for each in started)], stop)


async def first_to_end(processes: list[Running], stop: asyncio.Event) -> Running | None:
    """The first process that ends; None when *stop* is set before."""
    waiting = {asyncio.create_task(each.process.wait()): each for each in processes}
    stopping = asyncio.create_task(stop.wait())
    done, pending = await asyncio.wait([*waiting, stopping], return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return None if stopping in done else next(waiting[task] for task in waiting if task in done)


def _show(plane: ControlPlane, started: list[LocalProxy]) -> None:
    rows = [
        ("control plane", "REST API", plane.url),
        ("control plane", "gRPC API", plane.grpc),
        ("control plane", "xDS", plane.xds),
        *((each.node_id, "admin", f"http://{each.admin}") for each in started),
    ]
    show_table(("process", "what", "address"), rows)
    click.echo(f"Next: pointsman --server {plane.url} apply -f FILE    Stop: Ctrl-C")
