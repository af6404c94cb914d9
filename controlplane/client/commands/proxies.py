"""`pointsman proxies`: who is connected, and how far each has come."""

from __future__ import annotations

import click

from controlplane.api.json_form import to_json
from controlplane.api.v1 import management_pb2 as api
from controlplane.base.type_url import short
from controlplane.client.output import output_option, show_data, show_table, since
from controlplane.client.session import Session, pass_session


@click.command()
@click.option("-g", "--group", default="", help="Only this group.")
@click.option("--types", "by_type", is_flag=True, help="One line per proxy and resource type.")
@output_option
@pass_session
def proxies(session: Session, /, group: str, by_type: bool, output: str) -> None:
    """Show proxies: state, revision, and what they refuse."""
    answer = session.run(lambda client: client.proxies(group))
    if output != "table":
        show_data(to_json(answer)["proxies"], output)
    elif by_type:
        show_table(
            ("node", "type", "sent", "acked", "nacked", "why"), [row for each in answer.proxies for row in _type_rows(each)]
        )
    else:
        headings = ("node", "cluster", "group", "peer", "streams", "connected", "state", "revision", "why")
        show_table(headings, [_row(each) for each in answer.proxies])


def state(proxy: api.Proxy) -> str:
    """`gone`, `refuses`, `waiting` or `ready`."""
    if proxy.HasField("disconnected_at"):
        return "gone"
    if any(status.rejecting for status in proxy.types):
        return "refuses"
    return "ready" if proxy.ready_revision >= proxy.target_revision else "waiting"


def _row(proxy: api.Proxy) -> tuple[object, ...]:
    connected = since(proxy.connected_since)
    why = "; ".join(f"{short(status.type_url)}: {status.nack_text}" for status in proxy.types if status.rejecting)
    streams = ", ".join(proxy.streams)
    return proxy.node_id, proxy.node_cluster, proxy.group, proxy.peer, streams, connected, state(proxy), proxy.ready_revision, why


def _type_rows(proxy: api.Proxy) -> list[tuple[object, ...]]:
    return [
        (
            proxy.node_id,
            short(status.type_url),
            _at(status.sent_version, status.sent_revision),
            _at(status.acked_version, status.acked_revision),
            _at(status.nacked_version, status.nacked_revision),
            status.nack_text,
        )
        for status in proxy.types
    ]


def _at(version: str, revision: int) -> str:
    return f"{version} (revision {revision})" if revision else ""
