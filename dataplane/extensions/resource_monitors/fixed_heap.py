"""Memory of the process against a fixed size.  Envoy: envoy.resource_monitors.fixed_heap.

Envoy differs: it asks its allocator; the interpreter has none that knows, so this is the resident memory of the process and its workers.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from envoy.extensions.resource_monitors.fixed_heap.v3.fixed_heap_pb2 import FixedHeapConfig

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.overload import KIND
from dataplane.compile.support import supports

supports(FixedHeapConfig, "max_heap_size_bytes")

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class FixedHeap:
    """Implements api.overload.ResourceMonitor."""

    size: int

    def pressure(self, main_process: int) -> float:
        children = Path(f"/proc/{main_process}/task/{main_process}/children")
        taken = _resident(main_process)
        for child in children.read_text().split() if children.exists() else ():
            with suppress(OSError):  # it may be gone since
                taken += _resident(int(child))
        return taken / self.size


def _resident(process: int) -> int:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE


@extension(KIND, FixedHeapConfig.DESCRIPTOR.full_name)
def compile_config(config: FixedHeapConfig, at: FieldPath, context: CompileContext) -> FixedHeap:
    return FixedHeap(config.max_heap_size_bytes)
