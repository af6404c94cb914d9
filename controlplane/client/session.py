"""One run of the command: its control plane, and how errors end it.

Here: opening the client, errors to messages and exit codes.  Not here: what is shown on success (output, commands).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

import click

from controlplane.api.v1 import management_pb2 as api
from controlplane.client.client import Client, Writing
from controlplane.client.errors import ClientError, Rejected
from controlplane.client.waiting import NotReady

REFUSED = 1
NOT_READY = 3
UNREACHABLE = 4

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Session:
    """What the options before the command's name say."""

    server: str
    token: str
    author: str

    def run(self, work: Callable[[Client], Awaitable[Result]]) -> Result:
        """Do *work* with an open client; an error ends the command with its message and exit code."""

        async def body() -> Result:
            async with Client(self.server, self.token) as client:
                return await work(client)

        try:
            return asyncio.run(body())
        except ClientError as error:
            fail(error)

    def writing(self, message: str = "", *, dry_run: bool = False, expected_revision: int | None = None) -> Writing:
        return Writing(self.author, message, dry_run, expected_revision)


pass_session = click.make_pass_decorator(Session)


def fail(error: ClientError) -> NoReturn:
    match error:
        case Rejected():
            click.echo(f"error: {error}", err=True)
            show_problems(error.problems)
            raise click.exceptions.Exit(REFUSED)
        case NotReady():
            click.echo(f"error: {error}", err=True)
            raise click.exceptions.Exit(NOT_READY)
    click.echo(f"error: cannot reach the control plane at {error}", err=True)
    raise click.exceptions.Exit(UNREACHABLE)


def show_problems(problems: Iterable[api.Problem], severity: str = "") -> None:
    """One line each, in the form editors and CI jump to: `file:line:column: resource.path: reason`."""
    for problem in problems:
        click.echo(f"{severity}{problem_text(problem)}", err=True)


def problem_text(problem: api.Problem) -> str:
    place = problem.source
    if problem.line:
        place += f":{problem.line}:{problem.column}" if problem.column else f":{problem.line}"
    if problem.document and not problem.line:
        place += f" (document {problem.document})"
    where = ".".join(part for part in (problem.resource, problem.path) if part)
    return ": ".join(part for part in (place, where, problem.reason) if part)
