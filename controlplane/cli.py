"""The command `controlplane`: flags to options, signals to a clean stop.

Here: no logic.  Not here: what is served (server.assembly); the operator's command `pointsman` (client.cli).
Exit codes: 0 stopped by a signal, 1 could not start, 2 usage.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from pathlib import Path

import click

from controlplane.admin.token import TokenError
from controlplane.server.assembly import CannotListen, running
from controlplane.server.options import ListenAddress, Options
from controlplane.store.contract import StoreError

log = logging.getLogger("main")


class _Address(click.ParamType[ListenAddress]):
    name = "host:port"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> ListenAddress:
        try:
            return value if isinstance(value, ListenAddress) else ListenAddress.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group(context_settings={"auto_envvar_prefix": "CONTROLPLANE", "help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pointsman")
def main() -> None:
    """The control plane: keeps configuration, serves it to proxies over xDS, and lets operators change it."""


@main.command()
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), default="data", help="Directory of the store.")
@click.option(
    "--store", type=click.Path(path_type=Path, dir_okay=False), help="The store's file; DATA/pointsman.sqlite by default."
)
@click.option("--api-listen", type=_Address(), default="127.0.0.1:8080", show_default=True, help="REST API, health and metrics.")
@click.option("--grpc-listen", type=_Address(), default="127.0.0.1:8081", show_default=True, help="The same API over gRPC.")
@click.option("--xds-listen", type=_Address(), default="127.0.0.1:18000", show_default=True, help="xDS, for the proxies.")
@click.option("--token-file", type=click.Path(path_type=Path, dir_okay=False), help="Bearer token that the API requires.")
@click.option("--insecure", is_flag=True, help="Allow the API beyond loopback without a token.")
@click.option(
    "--addresses-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the real addresses there as JSON once serving.",
)
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True)
def serve(
    data: Path,
    store: Path | None,
    api_listen: ListenAddress,
    grpc_listen: ListenAddress,
    xds_listen: ListenAddress,
    token_file: Path | None,
    insecure: bool,
    addresses_file: Path | None,
    log_level: str,
) -> None:
    """Serve until SIGTERM or SIGINT."""
    logging.basicConfig(level=log_level.upper(), format="[%(asctime)s][%(levelname)s][%(name)s] %(message)s")
    options = Options(store or data / "pointsman.sqlite", api_listen, grpc_listen, xds_listen, token_file, insecure)
    try:
        asyncio.run(_serve(options, addresses_file))
    except (TokenError, StoreError, CannotListen) as error:
        raise click.ClickException(str(error)) from error


async def _serve(options: Options, addresses_file: Path | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(options) as serving:
        revision = serving.management.newest.info.revision
        log.info("serving: api=%s grpc=%s xds=%s revision=%d", serving.api, serving.grpc, serving.xds, revision)
        if addresses_file is not None:
            addresses = {"api": str(serving.api), "grpc": str(serving.grpc), "xds": str(serving.xds)}
            _write_whole(addresses_file, json.dumps(addresses) + "\n")
        await stop.wait()
        log.info("stopping")


def _write_whole(path: Path, text: str) -> None:
    """Whoever waits for the file never reads half of it."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
