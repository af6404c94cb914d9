"""Route configurations that stand inside listeners: `/config_dump` shows them as static ones, whatever way the listener came.

Here: finding them in the listeners' bytes.  Not here: the dump (config_dump).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2

from dataplane.admin.context import ConfigRecord

_LISTENER: Final = "type.googleapis.com/envoy.config.listener.v3.Listener"
_ROUTES: Final = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"


def inline_routes(records: Iterable[ConfigRecord]) -> Iterator[ConfigRecord]:
    """A static record for each route configuration inside the listeners in use."""
    for record in records:
        if record.type_url == _LISTENER and record.state in ("static", "active"):
            for manager in managers_of(listener_pb2.Listener.FromString(record.body)):
                if manager.HasField("route_config"):
                    routes = manager.route_config
                    body = routes.SerializeToString(deterministic=True)
                    yield ConfigRecord(_ROUTES, routes.name, body, "static", updated_wall=record.updated_wall)


def managers_of(listener: Any) -> Iterator[Any]:
    """The connection managers in its filter chains."""
    chains = [*listener.filter_chains, *([listener.default_filter_chain] if listener.HasField("default_filter_chain") else ())]
    for chain in chains:
        for network_filter in chain.filters:
            manager = http_connection_manager_pb2.HttpConnectionManager()
            if network_filter.typed_config.Unpack(manager):
                yield manager
