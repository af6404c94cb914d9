"""OverloadManager → the one limit that it sets here: how many downstream connections there may be.

Not here: who keeps to it (listener.connection_limit).  Other monitors, and actions, which need them, are refused.
Envoy: config.overload.v3.OverloadManager.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from envoy.config.overload.v3.overload_pb2 import OverloadManager, ResourceMonitor

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.fields import find_extension
from dataplane.compile.support import ignores, supports

supports(OverloadManager, "resource_monitors")
ignores(
    OverloadManager,
    "refresh_interval",
    "buffer_factory_config",
    because="read by monitors and actions that this version refuses; connections are counted as they come",
)
supports(ResourceMonitor, "name", "typed_config")

KIND: Final = "envoy.resource_monitors"
CONNECTIONS_MONITOR: Final = "envoy.resource_monitors.global_downstream_max_connections"
"""The name, and not the type alone, makes a monitor one that limits as resources are taken."""

_RUNTIME_KEY: Final = "overload.global_downstream_max_connections"


def compile_connection_limit(
    manager: OverloadManager, runtime: Mapping[str, object], at: FieldPath, context: CompileContext
) -> int | None:
    """The limit of the monitor or, without one, of the runtime.  None: no limit.  Errors of monitors go to the context."""
    limit: int | None = None
    seen: set[str] = set()
    for index, monitor in enumerate(manager.resource_monitors):
        place = at / "resource_monitors" / index
        if monitor.name in seen:
            context.problems.add(place / "name", f"Duplicate resource monitor {monitor.name}")
        seen.add(monitor.name)
        with context.problems.collect():
            limit = _limit(monitor, place, context)
    stated = runtime.get(_RUNTIME_KEY)
    if limit is None and isinstance(stated, (int, float)) and stated >= 0:
        return int(stated)
    return limit


def _limit(monitor: ResourceMonitor, at: FieldPath, context: CompileContext) -> int:
    compile_config, config = find_extension(KIND, monitor.typed_config, monitor.name, at / "typed_config")
    if monitor.name != CONNECTIONS_MONITOR:
        raise ConfigError(at / "name", f"a monitor of this type is called {CONNECTIONS_MONITOR}")
    limit: int = compile_config(config, at / "typed_config", context)
    return limit
