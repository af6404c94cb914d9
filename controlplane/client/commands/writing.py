"""What all commands that make a revision share: their options, and what they show afterwards.

Here: `--message`, `--expect`, `--dry-run`, `--wait`, and the report of the outcome.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click

from controlplane.api.json_form import to_json
from controlplane.api.v1 import management_pb2 as api
from controlplane.base.type_url import short
from controlplane.client.client import Client, Writing
from controlplane.client.output import console, output_option, show_data, show_diff
from controlplane.client.session import Session, show_problems
from controlplane.client.waiting import Progress, wait_ready

Command = TypeVar("Command", bound=Callable[..., Any])

_SIGNS = {api.Change.ADDED: "+", api.Change.REMOVED: "-", api.Change.CHANGED: "~"}


def writing_options(command: Command) -> Command:
    for option in (
        output_option,
        click.option("--timeout", type=float, default=60.0, show_default=True, metavar="SECONDS", help="How long to wait."),
        click.option("--wait", is_flag=True, help="Wait until every proxy of the group is ready, or one refuses."),
        click.option("--min-proxies", type=int, default=1, show_default=True, help="With --wait: so many proxies there must be."),
        click.option("--expect", type=int, metavar="REVISION", help="Refuse unless the configuration is at this revision."),
        click.option("--dry-run", is_flag=True, help="Check and show the difference; store nothing."),
        click.option("-m", "--message", default="", help="Why; kept with the revision."),
    ):
        command = option(command)
    return command


class WritingOptions:
    """The values of `writing_options`, taken out of a command's arguments."""

    def __init__(
        self, *, message: str, dry_run: bool, expect: int | None, min_proxies: int, wait: bool, timeout: float, output: str
    ) -> None:
        if dry_run and wait:
            raise click.UsageError("--wait has nothing to wait for with --dry-run")
        self.message, self.dry_run, self.expect = message, dry_run, expect
        self.min_proxies, self.wait, self.timeout, self.output = min_proxies, wait, timeout, output

    def run(self, session: Session, group: str, write: Callable[[Client, Writing], Awaitable[api.ApplyResponse]]) -> None:
        """Make the revision, show what came of it, and wait for the proxies if asked to."""
        writing = session.writing(self.message, dry_run=self.dry_run, expected_revision=self.expect)

        async def work(client: Client) -> None:
            outcome = await write(client, writing)
            show_problems(outcome.warnings, "warning: ")
            self._show(outcome)
            if self.wait:
                await self._wait(client, outcome.revision.number, group)

        session.run(work)

    def _show(self, outcome: api.ApplyResponse) -> None:
        if self.output != "table":
            show_data(to_json(outcome), self.output)
            return
        for change in outcome.changes:
            click.echo(f"{_SIGNS[change.kind]} {change_name(change)}")
            show_diff(change.diff)
        click.echo(_summary(outcome))

    async def _wait(self, client: Client, revision: int, group: str) -> None:
        with console().status("waiting for proxies") as status:

            def report(progress: Progress) -> None:
                known = len(progress.ready) + len(progress.waiting)
                status.update(f"revision {revision}: {len(progress.ready)} of {known} proxies ready")

            progress = await wait_ready(
                client, revision, group=group, within=self.timeout, at_least=self.min_proxies, report=report
            )
        if self.output == "table":
            click.echo(f"ready: {', '.join(progress.ready)}" if progress.ready else "ready: no proxy is connected")


def change_name(change: api.Change) -> str:
    if not change.type_url:
        return f"group {change.group}"
    return f"{short(change.type_url)} {change.name}" + (f" (group {change.group})" if change.group != "default" else "")


def _summary(outcome: api.ApplyResponse) -> str:
    if outcome.unchanged:
        return f"nothing changed; still revision {outcome.revision.number}"
    if outcome.dry_run:
        return f"would change revision {outcome.revision.number}; nothing was stored"
    return f"revision {outcome.revision.number}"
