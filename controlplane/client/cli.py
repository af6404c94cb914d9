"""The command `pointsman`: what operators use.

Here: the group of commands, options they share, errors to exit codes.  Not here: the commands (commands/), tables (output).
Exit codes: 0 done, 1 refused by the control plane, 2 usage, 3 a proxy refused or time ran out, 4 control plane unreachable.
"""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import click

from controlplane.client.client import DEFAULT_SERVER
from controlplane.client.commands import apply, completion, events, groups, proxies, resources, revisions, up
from controlplane.client.session import Session


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--server", envvar="POINTSMAN_SERVER", default=DEFAULT_SERVER, show_default=True, help="URL of the control plane.")
@click.option(
    "--token-file",
    envvar="POINTSMAN_TOKEN_FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="File with the bearer token.",
)
@click.option("--author", envvar="POINTSMAN_AUTHOR", default=lambda: _login(), help="Who makes revisions; your login by default.")
@click.version_option(package_name="pointsman")
@click.pass_context
def main(context: click.Context, server: str, token_file: Path | None, author: str) -> None:
    """Change and watch the configuration of proxies.

    \b
    Exit codes:
      0  done
      1  refused: invalid, not found, conflict, or no valid token
      2  usage
      3  a proxy refused the revision, or time ran out
      4  control plane unreachable
    """
    context.obj = Session(server, token_file.read_text(encoding="utf-8").strip() if token_file else "", author)


for command in (
    up.up,
    apply.apply,
    resources.get,
    resources.delete,
    revisions.diff,
    revisions.revisions,
    revisions.rollback,
    proxies.proxies,
    events.events,
    groups.groups,
    completion.completion,
):
    main.add_command(command)


def _login() -> str:
    """Who runs this; the bare number where the system has no name for it, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # OSError since Python 3.13
        return f"uid {os.getuid()}"
