"""`pointsman events`: what happens, as it happens."""

from __future__ import annotations

import json

import click

from controlplane.api.json_form import to_json
from controlplane.api.v1 import management_pb2 as api
from controlplane.base.type_url import short
from controlplane.client.client import Client
from controlplane.client.output import when
from controlplane.client.session import Session, pass_session


@click.command()
@click.option("-g", "--group", default="", help="Only proxies of this group.")
@click.option("-n", "--count", type=int, default=0, help="Stop after so many events.")
@click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True, help="json: one object a line."
)
@pass_session
def events(session: Session, /, group: str, count: int, output: str) -> None:
    """Follow what happens, until interrupted."""

    async def work(client: Client) -> None:
        seen = 0
        async with client.events(group) as following:
            async for event in following:
                click.echo(json.dumps(to_json(event), ensure_ascii=False) if output == "json" else line(event))
                seen += 1
                if seen == count:
                    return

    session.run(work)


def line(event: api.Event) -> str:
    """`2026-01-31 12:00:00  acked  proxy-1  Cluster  revision 3`."""
    words = [when(event.time), f"{event.kind:<12}"]
    words += [event.node_id] if event.node_id else []
    words += [short(event.type_url)] if event.type_url else []
    words += [f"revision {event.revision}"] if event.revision else []
    words += [event.text] if event.text else []
    return "  ".join(words)
