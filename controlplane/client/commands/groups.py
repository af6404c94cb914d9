"""`pointsman groups`: list, put and delete groups of proxies."""

from __future__ import annotations

from typing import Any

import click

from controlplane.api.json_form import to_json
from controlplane.api.v1 import management_pb2 as api
from controlplane.client.commands.writing import WritingOptions, writing_options
from controlplane.client.output import output_option, show_data, show_table
from controlplane.client.session import Session, pass_session


@click.group(invoke_without_command=True)
@output_option
@click.pass_context
def groups(context: click.Context, output: str) -> None:
    """List groups of proxies; with a subcommand, change them."""
    if context.invoked_subcommand is not None:
        return
    session: Session = context.obj
    answer = session.run(lambda client: client.groups())
    if output != "table":
        show_data(to_json(answer)["groups"], output)
        return
    rows = [(g.name, g.priority, g.inherits, " or ".join(map(_conditions, g.selectors))) for g in answer.groups]
    show_table(("group", "priority", "inherits", "selects"), rows)


@groups.command()
@click.argument("name")
@click.option("--node-id", "node_ids", multiple=True, metavar="PATTERN", help="One of these; `*` stands for anything.")
@click.option("--node-cluster", "node_clusters", multiple=True, metavar="PATTERN")
@click.option("--metadata", multiple=True, metavar="PATH=PATTERN", help="Dotted path in the node's metadata.")
@click.option("--region", default="", metavar="PATTERN")
@click.option("--zone", default="", metavar="PATTERN")
@click.option("--sub-zone", default="", metavar="PATTERN")
@click.option("--priority", default=0, show_default=True, help="The highest wins where several groups select a proxy.")
@click.option("--inherit/--no-inherit", "inherits", default=True, show_default=True, help="Also the resources of `default`.")
@writing_options
@pass_session
def put(
    session: Session,
    /,
    name: str,
    node_ids: tuple[str, ...],
    node_clusters: tuple[str, ...],
    metadata: tuple[str, ...],
    region: str,
    zone: str,
    sub_zone: str,
    priority: int,
    inherits: bool,
    **options: Any,
) -> None:
    """Create or replace a group.  All conditions given must hold for a proxy to be in it."""
    selector = api.Selector(
        node_ids=node_ids,
        node_clusters=node_clusters,
        metadata=dict(map(_pair, metadata)),
        locality=api.Locality(region=region, zone=zone, sub_zone=sub_zone),
    )
    group = api.Group(name=name, selectors=[selector], priority=priority, inherits=inherits)
    WritingOptions(**options).run(session, name, lambda client, writing: client.put_group(group, writing=writing))


@groups.command()
@click.argument("name")
@writing_options
@pass_session
def delete(session: Session, /, name: str, **options: Any) -> None:
    """Delete a group and its resources; its proxies fall back to other groups."""
    WritingOptions(**options).run(session, "", lambda client, writing: client.delete_group(name, writing=writing))


def _pair(text: str) -> tuple[str, str]:
    path, sign, pattern = text.partition("=")
    if not sign or not path:
        raise click.UsageError(f"--metadata {text!r} is not PATH=PATTERN")
    return path, pattern


def _conditions(selector: api.Selector) -> str:
    """`node id a or b*, zone x`."""
    found = [f"node id {' or '.join(selector.node_ids)}"] if selector.node_ids else []
    found += [f"node cluster {' or '.join(selector.node_clusters)}"] if selector.node_clusters else []
    found += [f"{path}={pattern}" for path, pattern in sorted(selector.metadata.items())]
    locality = selector.locality
    for word, pattern in (("region", locality.region), ("zone", locality.zone), ("sub-zone", locality.sub_zone)):
        found += [f"{word} {pattern}"] if pattern else []
    return ", ".join(found)
