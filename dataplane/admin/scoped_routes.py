"""Scopes for `/config_dump`: those inside listeners, and those that came over SRDS, each under the name of its scoped routes.

Here: which scopes belong to whom.  Not here: the other sections (admin.config_dump).
Connection managers that take their scopes from one source share a subscription; it goes by the name of the first of them.
Envoy: admin.v3.ScopedRoutesConfigDump.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from envoy.admin.v3 import config_dump_shared_pb2 as dumps
from envoy.config.listener.v3 import listener_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from dataplane.admin.context import ConfigRecord
from dataplane.admin.inline_routes import managers_of

_PREFIX: Final = "type.googleapis.com/"
_LISTENER: Final = _PREFIX + "envoy.config.listener.v3.Listener"
_SCOPE: Final = _PREFIX + "envoy.config.route.v3.ScopedRouteConfiguration"


def scoped_routes(records: Iterable[ConfigRecord], wanted: Callable[[str], bool]) -> dumps.ScopedRoutesConfigDump:
    """wanted: whether scoped routes of that name are shown."""
    known = list(records)
    came = sorted((each for each in known if each.type_url == _SCOPE and each.state == "active"), key=lambda each: each.name)
    dump = dumps.ScopedRoutesConfigDump()
    subscribed: set[bytes] = set()
    for listener in known:
        if listener.type_url != _LISTENER or listener.state not in ("static", "active"):
            continue
        for manager in managers_of(listener_pb2.Listener.FromString(listener.body)):
            routes = manager.scoped_routes
            source = routes.scoped_rds.SerializeToString(deterministic=True)
            if not wanted(routes.name):
                continue
            if routes.HasField("scoped_route_configurations_list"):
                _add_inline(dump, routes, listener)
            elif routes.HasField("scoped_rds") and came and source not in subscribed:
                subscribed.add(source)
                _add_dynamic(dump, routes.name, came)
    return dump


def _add_inline(dump: dumps.ScopedRoutesConfigDump, routes: Any, listener: ConfigRecord) -> None:
    entry = dump.inline_scoped_route_configs.add(name=routes.name, last_updated=timestamp(listener.updated_wall))
    for scope in routes.scoped_route_configurations_list.scoped_route_configurations:
        entry.scoped_route_configs.add().Pack(scope)


def _add_dynamic(dump: dumps.ScopedRoutesConfigDump, name: str, came: Sequence[ConfigRecord]) -> None:
    newest = max(came, key=lambda each: each.updated_wall)
    entry = dump.dynamic_scoped_route_configs.add(
        name=name, version_info=newest.version, last_updated=timestamp(newest.updated_wall)
    )
    for scope in came:
        entry.scoped_route_configs.add(type_url=scope.type_url, value=scope.body)


def timestamp(wall: float) -> Timestamp:
    """Milliseconds, as Envoy prints them."""
    stamp = Timestamp()
    stamp.FromMilliseconds(int(wall * 1000))
    return stamp
