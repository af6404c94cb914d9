"""A pressure that somebody writes into a file: for tests.  Envoy: envoy.resource_monitors.injected_resource."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from envoy.extensions.resource_monitors.injected_resource.v3.injected_resource_pb2 import InjectedResourceConfig

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.overload import KIND
from dataplane.compile.support import supports

supports(InjectedResourceConfig, "filename")


@dataclass(frozen=True, slots=True)
class InjectedResource:
    """Implements api.overload.ResourceMonitor."""

    path: Path

    def pressure(self, main_process: int) -> float:
        pressure = float(self.path.read_text(encoding="ascii"))
        if not 0 <= pressure <= 1:
            raise ValueError(f"pressure out of range: {pressure}")
        return pressure


@extension(KIND, InjectedResourceConfig.DESCRIPTOR.full_name)
def compile_config(config: InjectedResourceConfig, at: FieldPath, context: CompileContext) -> InjectedResource:
    return InjectedResource(Path(config.filename))
