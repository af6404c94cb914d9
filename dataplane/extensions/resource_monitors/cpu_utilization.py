"""How busy the processors of the machine are, smoothed.  Envoy: envoy.resource_monitors.cpu_utilization, mode HOST."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from envoy.extensions.resource_monitors.cpu_utilization.v3.cpu_utilization_pb2 import CpuUtilizationConfig

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.overload import KIND
from dataplane.compile.support import supports

supports(CpuUtilizationConfig, mode=("HOST",))

_STAT: Final = Path("/proc/stat")
_WEIGHT: Final = 0.05  # of the newest sample, as in Envoy
_WORKING: Final = 3  # user, nice, system
_COUNTED: Final = 4  # and idle


class CpuUtilization:
    """Implements api.overload.ResourceMonitor.  stat: of the form of /proc/stat."""

    def __init__(self, stat: Path = _STAT) -> None:
        self._stat = stat
        self._last: tuple[int, int] | None = None
        self._utilization = 0.0

    def pressure(self, main_process: int) -> float:
        name, *times = self._stat.read_text().split("\n", 1)[0].split()
        if name != "cpu" or len(times) < _COUNTED:
            raise ValueError(f"not understood: {name} {times}")
        work, total = sum(map(int, times[:_WORKING])), sum(map(int, times[:_COUNTED]))
        before, self._last = self._last, (work, total)
        if before is not None and total > before[1]:
            sample = (work - before[0]) / (total - before[1])
            self._utilization = sample * _WEIGHT + self._utilization * (1 - _WEIGHT)
        return self._utilization


@extension(KIND, CpuUtilizationConfig.DESCRIPTOR.full_name)
def compile_config(config: CpuUtilizationConfig, at: FieldPath, context: CompileContext) -> CpuUtilization:
    return CpuUtilization()
