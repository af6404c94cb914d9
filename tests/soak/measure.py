"""What a proxy holds at one moment: memory, descriptors, tasks, connections, streams."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from tests.support.proxy_process import ProxyProcess

# All under load share these; the admin endpoint's, which we ask, stands aside.
_LISTENERS = ("listener.127.0.0.1_0.",)

# Beginnings of their names; that of the control plane stands aside.
_CLUSTERS = ("cluster-", "silent.", "flaky.", "secure.", "echo.", "grpc.")


@dataclass(frozen=True, slots=True)
class Sample:
    """at: seconds since the start of the run.  resident: bytes.  answered: requests that the proxy has completed.

    heap_bytes, heap_blocks: what is in use of the C library's heap and of the interpreter's.  collected: objects that were in cycles.
    """

    at: float
    resident: int
    heap_bytes: int
    heap_blocks: int
    collected: int
    descriptors: int
    tasks: int
    downstream_connections: int
    downstream_streams: int
    upstream_connections: int
    upstream_streams: int
    draining_listeners: int
    statistics: int
    generation: int
    answered: int

    @property
    def descriptors_without_connections(self) -> int:
        return self.descriptors - self.downstream_connections - self.upstream_connections

    def __str__(self) -> str:
        return (
            f"{self.at:6.0f} s  {self.resident / 2**20:7.1f} MiB  {self.heap_bytes / 2**20:6.2f} MiB  "
            f"{self.heap_blocks:6d} blocks  {self.collected} in cycles  {self.descriptors:4d} descriptors  {self.tasks:3d} tasks  "
            f"{self.downstream_connections:3d}/{self.upstream_connections:3d} connections  "
            f"{self.downstream_streams:3d}/{self.upstream_streams:3d} streams  {self.statistics:5d} statistics  "
            f"generation {self.generation}  {self.answered} answers"
        )


def take(proxy: ProxyProcess, started: float) -> Sample:
    """started: monotonic."""
    descriptors = proxy.open_files()  # before we ask, which costs one
    stats = proxy.admin.stats()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{proxy.pid}/status").read_text().splitlines())

    def total(prefix: str, suffix: str) -> int:
        return sum(value for name, value in stats.items() if name.startswith(prefix) and name.endswith(suffix))

    return Sample(
        at=time.monotonic() - started,
        resident=int(status["VmRSS"].split()[0]) * 1024,
        heap_bytes=stats["pointsman.heap_bytes"],
        heap_blocks=stats["pointsman.heap_blocks"],
        collected=stats["pointsman.collected_in_cycles"],
        descriptors=descriptors,
        tasks=stats["pointsman.tasks"],
        downstream_connections=sum(stats.get(f"{listener}downstream_cx_active", 0) for listener in _LISTENERS),
        downstream_streams=total("http.test.", "downstream_rq_active"),
        upstream_connections=sum(total(f"cluster.{name}", "upstream_cx_active") for name in _CLUSTERS),
        upstream_streams=sum(total(f"cluster.{name}", "upstream_rq_active") for name in _CLUSTERS),
        draining_listeners=stats["listener_manager.total_listeners_draining"],
        statistics=len(stats),
        generation=stats["pointsman.generation"],
        answered=total("http.test.", "downstream_rq_completed"),
    )
