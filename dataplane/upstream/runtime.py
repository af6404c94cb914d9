"""What the live clusters of one event loop share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from dataplane.api.overload import LoadShedPoint
    from dataplane.base.counts import SharedCounts
    from dataplane.base.deadlines import DeadlineWheel
    from dataplane.base.write_queue import WriteQueue
    from dataplane.observe.stats import StatsStore
    from dataplane.upstream.findings import Findings, FindingsSink
    from dataplane.upstream.internal_connection import InternalListeners
    from dataplane.upstream.outlier_log import OutlierLog
    from dataplane.upstream.tls_dial import Secrets

_NOTHING: Mapping[str, object] = {}


@dataclass(frozen=True, slots=True)
class UpstreamRuntime:
    """See the module.  chance: a sample in [0, 1) per call.  secrets: those of the current snapshot."""

    loop: asyncio.AbstractEventLoop
    deadlines: DeadlineWheel
    stats: StatsStore
    chance: Callable[[], float]
    next_connection_id: Callable[[], int]
    secrets: Secrets = lambda: _NOTHING
    writes: WriteQueue | None = None  # None: what is to be sent is written at once
    findings: Findings | None = None  # None: this process finds out for itself how its hosts are
    sink: FindingsSink | None = None  # who else wants to know
    internal: InternalListeners | None = None
    shared: SharedCounts | None = None  # None: no other process has these clusters
    shed: LoadShedPoint | None = None  # asked before a connection is made
    outlier_log: OutlierLog | None = None
