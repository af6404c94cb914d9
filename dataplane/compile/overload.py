"""OverloadManager → snapshot.overload, and the one limit that is kept as it is taken: how many downstream connections there may be.

Not here: measuring (extensions.resource_monitors), acting (server.overload), who keeps to the limit (listener.connection_limit).
Envoy: config.overload.v3.OverloadManager.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from envoy.config.overload.v3.overload_pb2 import (
    BufferFactoryConfig,
    LoadShedPoint,
    OverloadAction,
    OverloadManager,
    ResourceMonitor,
    ScaledTrigger,
    ScaleTimersOverloadActionConfig,
    ThresholdTrigger,
)
from envoy.config.overload.v3.overload_pb2 import Trigger as TriggerMessage

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.fields import find_extension, type_name, unpack_typed
from dataplane.compile.support import supports
from dataplane.compile.units import runtime_count, seconds_or
from dataplane.resilience.overload import LeastTime, Trigger
from dataplane.snapshot import overload as compiled

supports(OverloadManager, "resource_monitors", "actions", "refresh_interval", "loadshed_points", "buffer_factory_config")
supports(BufferFactoryConfig, "minimum_account_to_track_power_of_two")
supports(LoadShedPoint, "name", "triggers")
supports(ResourceMonitor, "name", "typed_config")
supports(OverloadAction, "name", "triggers", "typed_config")
supports(ScaleTimersOverloadActionConfig, "timer_scale_factors")
supports(ScaleTimersOverloadActionConfig.ScaleTimer, "timer", "min_timeout", "min_scale")
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
REDUCE_TIMEOUTS: Final = "envoy.overload_actions.reduce_timeouts"
RESET_STREAMS: Final = "envoy.overload_actions.reset_high_memory_stream"
_ACTIONS: Final = frozenset(
    {
        STOP_ACCEPTING_REQUESTS,
        STOP_ACCEPTING_CONNECTIONS,
        REJECT_INCOMING_CONNECTIONS,
        DISABLE_HTTP_KEEPALIVE,
        SHRINK_HEAP,
        REDUCE_TIMEOUTS,
        RESET_STREAMS,
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
    if limit is None:
        limit = runtime_count(_RUNTIME_KEY, runtime)
    measured = tuple((name, monitor) for name, monitor in monitors.items() if monitor is not None)
    settings = compiled.OverloadSettings(
        interval,
        measured,
        actions,
        _shed_points(manager, monitors, at / "loadshed_points", context),
        _least_times(manager, at / "actions", context),
        manager.buffer_factory_config.minimum_account_to_track_power_of_two,
    )
    return (settings if measured else None), limit


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
            _check_action(action, manager, at / index)
            triggers = _triggers(action, monitors, at / index / "triggers", "overload action")
            actions[action.name] = compiled.OverloadAction(action.name, triggers)
    return tuple(actions.values())


def _check_action(action: OverloadAction, manager: OverloadManager, at: FieldPath) -> None:
    if action.name not in _ACTIONS:
        raise ConfigError(at / "name", f"Unknown Overload Manager Action {action.name}")
    if action.name == REDUCE_TIMEOUTS and not action.HasField("typed_config"):
        raise ConfigError(at, f'Overload action "{action.name}" requires typed_config')
    if action.name != REDUCE_TIMEOUTS and action.HasField("typed_config"):
        raise ConfigError(at / "typed_config", f'Overload action name "{action.name}" conflicts with its typed config')
    if action.name == RESET_STREAMS and not manager.HasField("buffer_factory_config"):
        raise ConfigError(at, f'Overload action "{action.name}" requires buffer_factory_config.')


def _shed_points(
    manager: OverloadManager, monitors: Mapping[str, object], at: FieldPath, context: CompileContext
) -> tuple[compiled.OverloadAction, ...]:
    """As Envoy, a point may have any name; where nobody asks for it, nothing is shed."""
    points: dict[str, compiled.OverloadAction] = {}
    for index, point in enumerate(manager.loadshed_points):
        with context.problems.collect():
            if point.name in points:
                raise ConfigError(at / index / "name", f"Duplicate loadshed point {point.name}")
            triggers = _triggers(point, monitors, at / index / "triggers", "loadshed point")
            points[point.name] = compiled.OverloadAction(point.name, triggers)
    return tuple(points.values())


def _least_times(manager: OverloadManager, at: FieldPath, context: CompileContext) -> Mapping[str, LeastTime]:
    least: dict[str, LeastTime] = {}
    for index, action in enumerate(manager.actions):
        if action.name == REDUCE_TIMEOUTS and action.HasField("typed_config"):
            at_factors = at / index / "typed_config" / "timer_scale_factors"
            with context.problems.collect():
                config: Any = unpack_typed(action.typed_config, at / index / "typed_config")
                if type_name(action.typed_config) != ScaleTimersOverloadActionConfig.DESCRIPTOR.full_name:
                    raise ConfigError(
                        at / index / "typed_config", f"is no {ScaleTimersOverloadActionConfig.DESCRIPTOR.full_name}"
                    )
                for number, factor in enumerate(config.timer_scale_factors):
                    timer = ScaleTimersOverloadActionConfig.TimerType.Name(factor.timer)
                    if timer in least:
                        raise ConfigError(at_factors / number / "timer", f"Found duplicate entry for timer type {timer}")
                    least[timer] = _least_time(factor, at_factors / number)
    return least


def _least_time(factor: Any, at: FieldPath) -> LeastTime:
    if factor.WhichOneof("overload_adjust") == "min_timeout":
        return LeastTime(seconds=seconds_or(factor, "min_timeout", 0.0, at))
    return LeastTime(part=factor.min_scale.value / 100)


def _triggers(
    owner: OverloadAction | LoadShedPoint, monitors: Mapping[str, object], at: FieldPath, kind: str
) -> tuple[tuple[str, Trigger], ...]:
    triggers: dict[str, Trigger] = {}
    for index, trigger in enumerate(owner.triggers):
        if trigger.name not in monitors:
            raise ConfigError(at / index / "name", f"Unknown trigger resource {trigger.name} for {kind} {owner.name}")
        if trigger.name in triggers:
            raise ConfigError(at / index / "name", f"Duplicate trigger resource for {kind} {owner.name}")
        triggers[trigger.name] = _trigger(trigger, at / index)
    return tuple(triggers.items())


def _trigger(message: Any, at: FieldPath) -> Trigger:
    if message.WhichOneof("trigger_oneof") == "threshold":
        return Trigger(message.threshold.value, message.threshold.value)
    scaled = message.scaled
    if scaled.scaling_threshold >= scaled.saturation_threshold:
        raise ConfigError(at / "scaled", "scaling_threshold must be less than saturation_threshold")
    return Trigger(scaled.scaling_threshold, scaled.saturation_threshold)
