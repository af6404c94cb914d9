"""The sections of `/config_dump`: admin.v3 messages built from the records of resources.

Here: which record stands in which field.  Not here: masks and HTTP (admin.handlers.config_dump), where records come from (server).
Envoy: admin.v3.config_dump.proto.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from envoy.admin.v3 import config_dump_shared_pb2 as dumps
from envoy.admin.v3.config_dump_pb2 import BootstrapConfigDump, SecretsConfigDump
from envoy.config.bootstrap.v3 import bootstrap_pb2
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from dataplane.admin.context import AdminContext, ConfigRecord
from dataplane.admin.inline_routes import inline_routes
from dataplane.admin.redaction import redact
from dataplane.admin.scoped_routes import scoped_routes, timestamp
from dataplane.compile.message_types import message_class

PREFIX: Final = "type.googleapis.com/"
_SECRET: Final = PREFIX + "envoy.extensions.transport_sockets.tls.v3.Secret"
_ENDPOINT: Final = PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"


@dataclass(frozen=True, slots=True)
class Section:
    """Which field of its dump a kind of resource goes to."""

    dump: type[Message]
    resource_field: str
    static: str
    dynamic: str


_SECTIONS: Final = {
    PREFIX + "envoy.config.cluster.v3.Cluster": Section(
        dumps.ClustersConfigDump, "cluster", "static_clusters", "dynamic_{state}_clusters"
    ),
    _ENDPOINT: Section(dumps.EndpointsConfigDump, "endpoint_config", "static_endpoint_configs", "dynamic_endpoint_configs"),
    PREFIX + "envoy.config.listener.v3.Listener": Section(
        dumps.ListenersConfigDump, "listener", "static_listeners", "dynamic_listeners"
    ),
    PREFIX + "envoy.config.route.v3.RouteConfiguration": Section(
        dumps.RoutesConfigDump, "route_config", "static_route_configs", "dynamic_route_configs"
    ),
    _SECRET: Section(SecretsConfigDump, "secret", "static_secrets", "dynamic_{state}_secrets"),
}
_LISTENER: Final = PREFIX + "envoy.config.listener.v3.Listener"


def sections(context: AdminContext, *, include_eds: bool, wanted: Callable[[str], bool]) -> list[Message]:
    """All dumps in Envoy's order.  wanted: whether a resource of that name is shown."""
    known = list(context.records())
    records = [record for record in (*known, *inline_routes(known)) if wanted(record.name)]
    found: list[Message] = [_bootstrap(context)]
    for type_url, section in _SECTIONS.items():
        if type_url != _ENDPOINT or include_eds:
            found.append(_fill(section, type_url, (record for record in records if record.type_url == type_url)))
    found.insert(-2, scoped_routes(known, wanted))
    for dump in found:
        redact(dump)
    return found


def _bootstrap(context: AdminContext) -> Any:
    bootstrap = bootstrap_pb2.Bootstrap.FromString(context.bootstrap())
    return BootstrapConfigDump(bootstrap=bootstrap, last_updated=timestamp(context.started_wall))


def _fill(section: Section, type_url: str, records: Iterable[ConfigRecord]) -> Message:
    dump: Any = section.dump()
    for record in records:
        if record.state == "static":
            entry = getattr(dump, section.static).add()
        elif type_url == _LISTENER:
            _dynamic_listener(dump, record)
            continue
        else:
            state = record.state if record.state in ("active", "warming") else "warming"
            entry = getattr(dump, section.dynamic.format(state=state)).add()
            entry.version_info = record.version
            _refused(entry, record)
        if type_url == _SECRET:
            entry.name = record.name
        if record.state != "none":
            getattr(entry, section.resource_field).CopyFrom(_any(record.type_url, record.body))
        entry.last_updated.CopyFrom(timestamp(record.updated_wall))
    filled: Message = dump
    return filled


def _dynamic_listener(dump: Any, record: ConfigRecord) -> None:
    """Listeners keep their states in one entry by name."""
    entry = next((each for each in dump.dynamic_listeners if each.name == record.name), None)
    if entry is None:
        entry = dump.dynamic_listeners.add(name=record.name)
    _refused(entry, record)
    if record.state == "none":
        return
    state = entry.warming_state if record.state == "warming" else entry.active_state
    state.version_info = record.version
    state.listener.CopyFrom(_any(record.type_url, record.body))
    state.last_updated.CopyFrom(timestamp(record.updated_wall))


def _refused(entry: Any, record: ConfigRecord) -> None:
    refusal = record.refusal
    if refusal is None:
        return
    entry.error_state.details = refusal.reason
    entry.error_state.version_info = refusal.version
    entry.error_state.last_update_attempt.CopyFrom(timestamp(refusal.at_wall))
    if refusal.body is not None:
        entry.error_state.failed_configuration.CopyFrom(_any(record.type_url, refusal.body))


def _any(type_url: str, body: bytes) -> AnyMessage:
    message_class(type_url.removeprefix(PREFIX))  # JSON needs the descriptor to be known
    return AnyMessage(type_url=type_url, value=body)
