"""The overload manager as compiled.  Envoy: config.overload.v3.{OverloadManager, OverloadAction, Trigger}."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dataplane.resilience.overload import LeastTime, Trigger


@dataclass(frozen=True, slots=True)
class OverloadAction:
    """Also a point where load is shed.  name: what is done, by Envoy's name.  triggers: by the resource they watch."""

    name: str
    triggers: tuple[tuple[str, Trigger], ...]


@dataclass(frozen=True, slots=True)
class OverloadSettings:
    """monitors: name and api.overload.ResourceMonitor of each.  refresh_interval: seconds between two measurements.

    shed_points: by Envoy's names.  least_times: what the timers of api.overload may be reduced to.
    smallest_held: the power of two of bytes below which no stream has to give up for the memory that it holds.
    """

    refresh_interval: float
    monitors: tuple[tuple[str, object], ...]
    actions: tuple[OverloadAction, ...]
    shed_points: tuple[OverloadAction, ...] = ()
    least_times: Mapping[str, LeastTime] = field(default_factory=dict)
    smallest_held: int = 0
