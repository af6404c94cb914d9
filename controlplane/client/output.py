"""What commands print: tables for people, JSON or YAML for scripts.

Here: layout.  Not here: what is in it (commands).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
import yaml
from google.protobuf.timestamp_pb2 import Timestamp
from rich import box
from rich.console import Console
from rich.table import Table

Command = TypeVar("Command", bound=Callable[..., Any])


def output_option(command: Command) -> Command:
    """`-o table|json|yaml`."""
    return click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)(
        command
    )


def show_data(value: object, output: str) -> None:
    """JSON or YAML of JSON values."""
    if output == "json":
        click.echo(json.dumps(value, indent=2, ensure_ascii=False))
    else:
        click.echo(yaml.dump(value, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True), nl=False)


def show_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns of text; nothing is cut off when the output is not a terminal."""
    table = Table(*headings, box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console().print(table)


def show_diff(text: str) -> None:
    for line in text.splitlines():
        color = "green" if line.startswith("+") else "red" if line.startswith("-") else "cyan" if line.startswith("@") else None
        click.secho(line, fg=color)


def console() -> Console:
    plain = Console(markup=False, highlight=False)
    # Pipes have no width; rich would assume 80 columns and fold the cells.
    return plain if plain.is_terminal else Console(markup=False, highlight=False, width=1000)


def when(stamp: Timestamp) -> str:
    return stamp.ToDatetime(UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def since(stamp: Timestamp) -> str:
    """How long ago: `3m 12s`."""
    seconds = max(0, int((datetime.now(UTC) - stamp.ToDatetime(UTC)).total_seconds()))
    for name, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            below = {"d": ("h", 3600), "h": ("m", 60), "m": ("s", 1)}[name]
            return f"{seconds // size}{name} {seconds % size // below[1]}{below[0]}"
    return f"{seconds}s"


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return str(value)
