"""Memory of the control group against its limit.  Envoy: envoy.resource_monitors.cgroup_memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from envoy.extensions.resource_monitors.cgroup_memory.v3.cgroup_memory_pb2 import CgroupMemoryConfig

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.overload import KIND
from dataplane.compile.support import supports

supports(CgroupMemoryConfig, "max_memory_bytes")

# Usage and limit, of version 2 and of version 1.
_FILES: Final = (
    (Path("/sys/fs/cgroup/memory.current"), Path("/sys/fs/cgroup/memory.max")),
    (Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")),
)


@dataclass(frozen=True, slots=True)
class CgroupMemory:
    """Implements api.overload.ResourceMonitor.  most: bytes that count as the limit where the group's is greater; 0: the group's."""

    most: int
    files: tuple[tuple[Path, Path], ...] = _FILES

    def pressure(self, main_process: int) -> float:
        for usage, limit in self.files:
            if usage.exists():
                stated = limit.read_text().strip()
                limits = [int(stated)] if stated != "max" else []
                limits += [self.most] if self.most else []
                return int(usage.read_text()) / min(limits) if limits else 0.0
        raise OSError("no memory controller is mounted at /sys/fs/cgroup")


@extension(KIND, CgroupMemoryConfig.DESCRIPTOR.full_name)
def compile_config(config: CgroupMemoryConfig, at: FieldPath, context: CompileContext) -> CgroupMemory:
    return CgroupMemory(config.max_memory_bytes)
