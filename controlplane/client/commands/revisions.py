"""`pointsman revisions`, `diff` and `rollback`: the history."""

from __future__ import annotations

from typing import Any

import click

from controlplane.api.json_form import to_json
from controlplane.client.commands.writing import WritingOptions, change_name, writing_options
from controlplane.client.output import output_option, show_data, show_diff, show_table, when
from controlplane.client.session import Session, pass_session


@click.command()
@click.option("-n", "--limit", type=int, default=20, show_default=True)
@click.option("--before", type=int, default=0, help="Only revisions older than this.")
@output_option
@pass_session
def revisions(session: Session, /, limit: int, before: int, output: str) -> None:
    """List revisions, newest first."""
    answer = session.run(lambda client: client.revisions(limit, before))
    if output != "table":
        show_data(to_json(answer)["revisions"], output)
        return
    show_table(
        ("revision", "when", "author", "added", "changed", "removed", "message"),
        [(r.number, when(r.created), r.author, r.added, r.changed, r.removed, r.message) for r in answer.revisions],
    )


@click.command()
@click.argument("from_revision", metavar="[FROM]", type=int, required=False)
@click.argument("to_revision", metavar="[TO]", type=int, default=0)
@output_option
@pass_session
def diff(session: Session, /, from_revision: int | None, to_revision: int, output: str) -> None:
    """Show what differs between two revisions: the newest and the one before it, unless told otherwise."""
    answer = session.run(lambda client: client.diff(from_revision, to_revision))
    if output != "table":
        show_data(to_json(answer), output)
        return
    for change in answer.changes:
        click.secho(change_name(change), bold=True)
        show_diff(change.diff)
    if not answer.changes:
        click.echo(f"revisions {answer.from_revision} and {answer.to_revision} are equal")


@click.command()
@click.argument("revision", type=int)
@writing_options
@pass_session
def rollback(session: Session, /, revision: int, **options: Any) -> None:
    """Make a new revision that equals an old one."""
    WritingOptions(**options).run(session, "", lambda client, writing: client.roll_back(revision, writing=writing))
