"""`pointsman apply`: files into a revision."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from controlplane.client.commands.writing import WritingOptions, writing_options
from controlplane.client.resources import Document
from controlplane.client.session import Session, pass_session

SUFFIXES = (".yaml", ".yml", ".json")


@click.command()
@click.option(
    "-f", "--file", "sources", multiple=True, required=True, metavar="FILE|DIR|-", help="What to apply; may be repeated."
)
@click.option("-g", "--group", default="default", show_default=True, help="The group that the resources belong to.")
@click.option("--prune", is_flag=True, help="Delete what the group has and the files do not name.")
@writing_options
@pass_session
def apply(session: Session, /, sources: tuple[str, ...], group: str, prune: bool, **options: Any) -> None:
    """Make the resources in files part of the configuration, all or nothing.

    A file holds YAML documents or JSON; each document is an Envoy v3 resource with "@type".
    """
    documents = [document for source in sources for document in read(source)]
    WritingOptions(**options).run(
        session, group, lambda client, writing: client.apply(documents=documents, group=group, prune=prune, writing=writing)
    )


def read(source: str) -> list[Document]:
    """A file, the configuration files of a directory in order of their names, or standard input.  Raises click.UsageError."""
    if source == "-":
        return [Document(sys.stdin.read(), "stdin")]
    path = Path(source)
    files = sorted(each for each in path.iterdir() if each.suffix in SUFFIXES) if path.is_dir() else [path]
    if not files:
        raise click.UsageError(f"{source}: no {', '.join(SUFFIXES)} files there")
    try:
        return [Document(each.read_text(encoding="utf-8"), str(each)) for each in files]
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"cannot read {source}: {error}") from error
