"""The overload manager as compiled.  Envoy: config.overload.v3.{OverloadManager, OverloadAction, Trigger}."""

from __future__ import annotations

from dataclasses import dataclass

from dataplane.resilience.overload import Trigger


@dataclass(frozen=True, slots=True)
class OverloadAction:
    """name: what is done, by Envoy's name.  triggers: by the resource they watch."""

    name: str
    triggers: tuple[tuple[str, Trigger], ...]


@dataclass(frozen=True, slots=True)
class OverloadSettings:
    """monitors: name and api.overload.ResourceMonitor of each.  refresh_interval: seconds between two measurements."""

    refresh_interval: float
    monitors: tuple[tuple[str, object], ...]
    actions: tuple[OverloadAction, ...]
