"""`pointsman get` and `pointsman delete`: resources by type and name."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click
import yaml

from controlplane.api.v1 import management_pb2 as api
from controlplane.base.type_url import full, short
from controlplane.client.client import Client, ConfiguredResource
from controlplane.client.commands.writing import WritingOptions, writing_options
from controlplane.client.output import output_option, show_data, show_table
from controlplane.client.session import Session, pass_session


@click.command()
@click.argument("type_url", metavar="[TYPE]", default="")
@click.argument("name", metavar="[NAME]", default="")
@click.option("-g", "--group", default="", help="Only this group.")
@click.option("-r", "--revision", type=int, default=0, help="As of this revision; the newest by default.")
@click.option("--effective", is_flag=True, help="What the group's proxies get, with what it inherits.")
@output_option
@pass_session
def get(session: Session, /, type_url: str, name: str, group: str, revision: int, effective: bool, output: str) -> None:
    """Show resources.

    TYPE is a word such as `cluster`, `lds` or `routes`, or a type URL.  One resource is shown whole; its YAML can be applied again.
    """
    if name and "*" not in name and not effective:
        found = session.run(lambda client: client.get(type_url, name, group=group, revision=revision))
        show_data(dict(found.body), "yaml" if output == "table" else output)
        return

    async def work(client: Client) -> list[ConfiguredResource]:
        keys_only = output == "table"
        _, resources = await client.resources(
            type_url, name, group=group, revision=revision, effective=effective, keys_only=keys_only
        )
        return resources

    resources = session.run(work)
    if output == "json":
        show_data([asdict(each) for each in resources], output)
    elif output == "yaml":
        bodies = [dict(each.body) for each in resources]
        click.echo(yaml.dump_all(bodies, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True), nl=False)
    else:
        show_table(
            ("type", "name", "group", "version"),
            [(short(each.type_url), each.name, each.group, each.version) for each in resources],
        )


@click.command()
@click.argument("type_url", metavar="TYPE")
@click.argument("names", metavar="NAME", nargs=-1, required=True)
@click.option("-g", "--group", default="default", show_default=True)
@writing_options
@pass_session
def delete(session: Session, /, type_url: str, names: tuple[str, ...], group: str, **options: Any) -> None:
    """Delete resources of one type, all or nothing."""
    keys = [api.ResourceKey(group=group, type_url=full(type_url), name=name) for name in names]
    WritingOptions(**options).run(session, group, lambda client, writing: client.apply(deletes=keys, writing=writing))
