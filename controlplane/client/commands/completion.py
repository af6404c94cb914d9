"""`pointsman completion`: the script that makes a shell complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    For example, in ~/.bashrc:
      eval "$(pointsman completion bash)"
    """
    kind = get_completion_class(shell)
    assert kind is not None
    program = context.find_root().info_name or "pointsman"
    click.echo(kind(context.find_root().command, {}, program, f"_{program.upper().replace('-', '_')}_COMPLETE").source())
