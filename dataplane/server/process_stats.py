"""`server.*`: what the process tells of itself.  Envoy: configuration/observability/statistics, "Server"."""

from __future__ import annotations

import asyncio
import gc
import resource
import time
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dataplane.base.version import revision
from dataplane.server import heap
from dataplane.server.certificates import Expiry

if TYPE_CHECKING:
    from dataplane.compile.bootstrap import BootstrapConfig
    from dataplane.observe.stats import StatsStore
    from dataplane.server.options import Options
    from dataplane.snapshot.snapshot import Snapshot

_NO_CERTIFICATE = 2**32 - 1  # Envoy's days_until_first_cert_expiring where there is none


class ProcessStats:
    """Gauges that cost something to know are computed when somebody asks (`refresh`)."""

    def __init__(self, stats: StatsStore, started_wall: float, options: Options, config: BootstrapConfig) -> None:
        self._started_wall = started_wall
        scope = stats.scope("server.")
        self._uptime = scope.gauge("uptime")
        self._allocated = scope.gauge("memory_allocated")
        self._heap = scope.gauge("memory_heap_size")
        self._physical = scope.gauge("memory_physical_size")
        self._connections = scope.gauge("total_connections")
        self._tasks = stats.gauge("pointsman.tasks")
        self._heap_bytes = stats.gauge("pointsman.heap_bytes")
        self._heap_blocks = stats.gauge("pointsman.heap_blocks")
        self._cycles = stats.gauge("pointsman.collected_in_cycles")
        self._initialization = scope.histogram("initialization_time_ms")
        scope.gauge("concurrency").set(options.concurrency)
        scope.gauge("hot_restart_epoch").set(options.restart_epoch)
        scope.gauge("version").set(config.server_version or zlib.crc32(revision().encode()))
        self._expiry = Expiry()
        self._certificate_days = scope.gauge("days_until_first_cert_expiring")
        self._staple_seconds = scope.gauge("seconds_until_first_ocsp_response_expiring")
        self._parent_connections = scope.gauge("parent_connections")
        self._parent_connections.set(0)
        stats.gauge("runtime.num_keys").set(len(config.runtime))
        stats.gauge("runtime.num_layers").set(len(config.runtime_layers))

    def initialized(self, seconds: float) -> None:
        self._initialization.record(int(seconds * 1000))

    def refresh(
        self,
        snapshot: Snapshot,
        connections: int,
        resident_elsewhere: int = 0,
        first_started_wall: float | None = None,
        predecessor_connections: int = 0,
    ) -> None:
        """connections: downstream, of all workers.  resident_elsewhere: bytes of memory of the workers.

        first_started_wall: of the first process of all epochs.  predecessor_connections: of the process of the epoch before.
        """
        self._uptime.set(int(time.time() - (first_started_wall or self._started_wall)))
        self._parent_connections.set(predecessor_connections)
        with open("/proc/self/statm", encoding="ascii") as statm:
            resident = int(statm.read().split()[1]) * resource.getpagesize() + resident_elsewhere
        self._allocated.set(resident)
        self._physical.set(resident)
        self._heap.set(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + resident_elsewhere)
        self._connections.set(connections)
        now = datetime.now(UTC)
        days = self._expiry.days_left(snapshot, now)
        self._certificate_days.set(_NO_CERTIFICATE if days is None else days)
        self._staple_seconds.set(self._expiry.staple_seconds_left(snapshot, now))
        self._tasks.set(len(asyncio.all_tasks()))
        self._heap_bytes.set(heap.bytes_in_use())
        self._heap_blocks.set(heap.blocks_in_use())
        self._cycles.set(sum(each["collected"] for each in gc.get_stats()))
