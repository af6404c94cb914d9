"""OverloadManager → snapshot.overload, and the one limit that is kept as it is taken: how many downstream connections there may be.

Not here: measuring (extensions.resource_monitors), acting (server.overload), who keeps to the limit (listener.connection_limit).
Envoy: config.overload.v3.OverloadManager.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from envoy.config.overload.v3.overload_pb2 import (
    OverloadAction,
    OverloadManager,
    ResourceMonitor,
    ScaledTrigger,
    ThresholdTrigger,
)
from envoy.config.overload.v3.overload_pb2 import Trigger as TriggerMessage

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.fields import find_extension
from dataplane.compile.support import ignores, supports
from dataplane.compile.units import seconds_or
from dataplane.resilience.overload import Trigger
from dataplane.snapshot import overload as compiled

supports(OverloadManager, "resource_monitors", "actions", "refresh_interval")
ignores(OverloadManager, "buffer_factory_config", because="read by an action that this version refuses")
supports(ResourceMonitor, "name", "typed_config")
supports(OverloadAction, "name", "triggers")
supports(TriggerMessage, "name", "threshold", "scaled")
supports(ThresholdTrigger, "value")
supports(ScaledTrigger, "scaling_threshold", "saturation_threshold")

KIND: Final = "envoy.resource_monitors"
CONNECTIONS_MONITOR: Final = "envoy.resource_monitors.global_downstream_max_connections"
"""The name, and not the type alone, makes a monitor one that limits as resources are taken."""

STOP_ACCEPTING_REQUESTS: Final = "envoy.overload_actions.stop_accepting_requests"
STOP_ACCEPTING_CONNECTIONS: Final = "envoy.overload_actions.stop_accepting_connections"
REJECT_INCOMING_CONNECTIONS: Final = "envoy.overload_actions.reject_incoming_connections"
DISABLE_HTTP_KEEPALIVE: Final = "envoy.overload_actions.disable_http_keepalive"
SHRINK_HEAP: Final = "envoy.overload_actions.shrink_heap"
_ACTIONS: Final = frozenset(
    {
        STOP_ACCEPTING_REQUESTS,
        STOP_ACCEPTING_CONNECTIONS,
        REJECT_INCOMING_CONNECTIONS,
        DISABLE_HTTP_KEEPALIVE,
        SHRINK_HEAP,
    }
)

_RUNTIME_KEY: Final = "overload.global_downstream_max_connections"
_REFRESH_INTERVAL: Final = 1.0


def compile_overload(
    manager: OverloadManager, runtime: Mapping[str, object], at: FieldPath, context: CompileContext
) -> tuple[compiled.OverloadSettings | None, int | None]:
    """What is measured and done, None where nothing is; and the limit of connections, of its monitor or else of the runtime.

    Errors of parts go to the context.
    """
    limit: int | None = None
    monitors: dict[str, object] = {}
    for index, monitor in enumerate(manager.resource_monitors):
        place = at / "resource_monitors" / index
        if monitor.name in monitors:
            context.problems.add(place / "name", f"Duplicate resource monitor {monitor.name}")
        monitors[monitor.name] = None
        with context.problems.collect():
            found = _monitor(monitor, place, context)
            if isinstance(found, int):
                limit = found
            else:
                monitors[monitor.name] = found
    interval = _REFRESH_INTERVAL
    with context.problems.collect():
        interval = seconds_or(manager, "refresh_interval", _REFRESH_INTERVAL, at)
    actions = _actions(manager, monitors, at / "actions", context)
    stated = runtime.get(_RUNTIME_KEY)
    if limit is None and isinstance(stated, (int, float)) and stated >= 0:
        limit = int(stated)
    measured = tuple((name, monitor) for name, monitor in monitors.items() if monitor is not None)
    return (compiled.OverloadSettings(interval, measured, actions) if measured else None), limit


def _monitor(monitor: ResourceMonitor, at: FieldPath, context: CompileContext) -> object:
    """An api.overload.ResourceMonitor, or the limit of connections."""
    compile_config, config = find_extension(KIND, monitor.typed_config, monitor.name, at / "typed_config")
    found: object = compile_config(config, at / "typed_config", context)
    if isinstance(found, int) and monitor.name != CONNECTIONS_MONITOR:
        raise ConfigError(at / "name", f"a monitor of this type is called {CONNECTIONS_MONITOR}")
    return found


def _actions(
    manager: OverloadManager, monitors: Mapping[str, object], at: FieldPath, context: CompileContext
) -> tuple[compiled.OverloadAction, ...]:
    actions: dict[str, compiled.OverloadAction] = {}
    for index, action in enumerate(manager.actions):
        with context.problems.collect():
            if action.name in actions:
                raise ConfigError(at / index / "name", f"Duplicate overload action {action.name}")
            if action.name not in _ACTIONS:
                raise ConfigError(at / index / "name", f"the action {action.name} is not supported by this version")
            triggers = _triggers(action, monitors, at / index / "triggers")
            actions[action.name] = compiled.OverloadAction(action.name, triggers)
    return tuple(actions.values())


def _triggers(action: OverloadAction, monitors: Mapping[str, object], at: FieldPath) -> tuple[tuple[str, Trigger], ...]:
    triggers: dict[str, Trigger] = {}
    for index, trigger in enumerate(action.triggers):
        if trigger.name not in monitors:
            raise ConfigError(at / index / "name", f"Unknown trigger resource {trigger.name} for overload action {action.name}")
        if trigger.name in triggers:
            raise ConfigError(at / index / "name", f"Duplicate trigger resource for overload action {action.name}")
        triggers[trigger.name] = _trigger(trigger, at / index)
    return tuple(triggers.items())


def _trigger(message: Any, at: FieldPath) -> Trigger:
    if message.WhichOneof("trigger_oneof") == "threshold":
        return Trigger(message.threshold.value, message.threshold.value)
    scaled = message.scaled
    if scaled.scaling_threshold >= scaled.saturation_threshold:
        raise ConfigError(at / "scaled", "scaling_threshold must be less than saturation_threshold")
    return Trigger(scaled.scaling_threshold, scaled.saturation_threshold)
