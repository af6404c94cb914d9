"""The overload manager: measures again and again, and has the engine do less where a resource runs short.

Here: from pressures to levels, and what each action is.  Not here: measuring (extensions.resource_monitors), how pressure becomes a level
(resilience.overload), who keeps to the levels (http.manager, listener.listener).
Every process that carries traffic runs one; only the main process shows its statistics.
Envoy: configuration/operations/overload_manager.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol, cast

from dataplane.compile.overload import (
    DISABLE_HTTP_KEEPALIVE,
    REDUCE_TIMEOUTS,
    REJECT_INCOMING_CONNECTIONS,
    RESET_STREAMS,
    SHRINK_HEAP,
    STOP_ACCEPTING_CONNECTIONS,
    STOP_ACCEPTING_REQUESTS,
)

if TYPE_CHECKING:
    from dataplane.api.overload import LoadShedPoint, OverloadLevels, ResourceMonitor
    from dataplane.observe.stats import Counter, Scope
    from dataplane.resilience.overload import Trigger
    from dataplane.snapshot.overload import OverloadAction, OverloadSettings

log = logging.getLogger("main")

# As Envoy: returning memory is work, too.
_SHRINK_INTERVAL: Final = 10.0


class Listeners(Protocol):
    """What may be closed, or asked to close, for a while."""

    async def pause_accepting(self, paused: bool) -> None: ...

    def disable_keepalive(self, level: float) -> None: ...

    def on_times_changed(self) -> None: ...

    def give_up_streams(self, smallest_power: int, level: float) -> None: ...


class OverloadManager:
    """listeners: None in a process that accepts nothing itself.  main_process: see api.overload.ResourceMonitor."""

    def __init__(
        self, settings: OverloadSettings, levels: OverloadLevels, listeners: Listeners | None, scope: Scope, main_process: int
    ) -> None:
        self._settings = settings
        self._levels = levels
        self._listeners = listeners
        self._main_process = main_process
        self._pressures: dict[str, float] = {}
        self._monitors = [_Monitor(name, cast("ResourceMonitor", monitor), scope) for name, monitor in settings.monitors]
        self._actions = [_Action(action, scope) for action in settings.actions]
        self._points = [_Point(point, levels.points[point.name], scope) for point in settings.shed_points]
        self._shrunk_at = 0.0
        shrinks = any(action.name == SHRINK_HEAP for action in settings.actions)
        self._shrinks = scope.counter(f"{SHRINK_HEAP}.shrink_count") if shrinks else None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._settings.refresh_interval)

    async def look(self) -> None:
        """Measure once, and act."""
        for monitor in self._monitors:
            monitor.measure(self._pressures, self._main_process)
        for action in self._actions:
            if action.follow(self._pressures):
                await self._act(action.name, action.level)
            if self._shrinks is not None and action.name == SHRINK_HEAP and action.level >= 1.0:
                self._shrink(self._shrinks)

        for point in self._points:
            point.follow(self._pressures)

    async def _act(self, name: str, level: float) -> None:
        """The level of an action has changed."""
        log.info("overload action %s: %.0f %%", name, level * 100)
        match name:
            case _ if name == STOP_ACCEPTING_REQUESTS:
                self._levels.refuse_requests = level
            case _ if name == REJECT_INCOMING_CONNECTIONS:
                self._levels.reject_connections = level
            case _ if name == REDUCE_TIMEOUTS:
                self._levels.reduce_times = level
                if self._listeners is not None:
                    self._listeners.on_times_changed()
            case _ if name == RESET_STREAMS and self._listeners is not None and level:
                self._listeners.give_up_streams(self._settings.smallest_held, level)
            case _ if name == DISABLE_HTTP_KEEPALIVE and self._listeners is not None:
                self._listeners.disable_keepalive(level)
            case _ if name == STOP_ACCEPTING_CONNECTIONS and self._listeners is not None:
                await self._listeners.pause_accepting(level >= 1.0)

    def _shrink(self, shrinks: Counter) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._shrunk_at < _SHRINK_INTERVAL:
            return
        self._shrunk_at = now
        shrinks.inc()
        gc.collect()
        libc = ctypes.CDLL(None)
        if hasattr(libc, "malloc_trim"):
            libc.malloc_trim(0)


class _Monitor:
    """One resource and what is shown of it."""

    def __init__(self, name: str, monitor: ResourceMonitor, scope: Scope) -> None:
        self._name = name
        self._monitor = monitor
        self._pressure = scope.gauge(f"{name}.pressure")
        self._failed = scope.counter(f"{name}.failed_updates")
        scope.counter(f"{name}.skipped_updates")

    def measure(self, pressures: dict[str, float], main_process: int) -> None:
        """What cannot be measured keeps its last pressure."""
        try:
            pressure = self._monitor.pressure(main_process)
        except (OSError, ValueError) as error:
            self._failed.inc()
            log.debug("resource %s: %s", self._name, error)
            return
        pressures[self._name] = pressure
        self._pressure.set(int(pressure * 100 + 0.5))


class _Action:
    """One action and what is shown of it."""

    def __init__(self, action: OverloadAction, scope: Scope) -> None:
        self.name = action.name
        self.level = 0.0
        self._triggers = action.triggers
        self._active = scope.gauge(f"{action.name}.active")
        self._percent = scope.gauge(f"{action.name}.scale_percent")

    def follow(self, pressures: Mapping[str, float]) -> bool:
        """Whether the level has changed: the highest of all triggers."""
        before, self.level = self.level, _level(self._triggers, pressures)
        self._active.set(int(self.level >= 1.0))
        self._percent.set(int(self.level * 100))
        return self.level != before


class _Point:
    """One point where load is shed, and what is shown of it; its own counter belongs to who sheds (server.engine)."""

    def __init__(self, settings: OverloadAction, point: LoadShedPoint, scope: Scope) -> None:
        self._triggers = settings.triggers
        self._point = point
        self._percent = scope.gauge(f"{settings.name}.scale_percent")

    def follow(self, pressures: Mapping[str, float]) -> None:
        self._point.level = _level(self._triggers, pressures)
        self._percent.set(int(self._point.level * 100))


def _level(triggers: tuple[tuple[str, Trigger], ...], pressures: Mapping[str, float]) -> float:
    """The highest of all triggers; what was never measured has none."""
    return max((trigger.level(pressures[name]) for name, trigger in triggers if name in pressures), default=0.0)
