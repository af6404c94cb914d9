"""What one event loop needs to carry traffic, whichever process it is in: stats, log files, deadlines, live clusters.

Here: making these parts.  Not here: the configuration they follow, the order in which things come up (assembly, workers.worker).
"""

from __future__ import annotations

import asyncio
import gc
import os
from typing import TYPE_CHECKING

from dataplane.api.network_filter import ServerContext
from dataplane.api.overload import LoadShedPoint, OverloadLevels
from dataplane.base.deadlines import DeadlineWheel
from dataplane.compile.bootstrap import Bootstrap, BootstrapConfig, compile_bootstrap
from dataplane.compile.context import CompileContext
from dataplane.http.local_address import local_address
from dataplane.listener.connection_limit import ConnectionLimit
from dataplane.listener.manager import BindSockets, ListenerManager
from dataplane.listener.options import bind_one
from dataplane.observe.log_file import LogFiles
from dataplane.observe.stats import StatsStore
from dataplane.server.overload import OverloadManager
from dataplane.snapshot.overload import OverloadSettings
from dataplane.snapshot.snapshot import Holder
from dataplane.upstream.cluster_manager import ClusterManager

if TYPE_CHECKING:
    from dataplane.base.counts import SharedCounts
    from dataplane.server.options import Options
    from dataplane.upstream.findings import Findings, FindingsSink


class Engine:
    """Made inside the running loop.  findings, sink: see upstream.findings, shared: base.counts; none where the process is alone.

    ticket_seed: see snapshot.tls.DownstreamTls.
    """

    def __init__(
        self,
        options: Options,
        bootstrap: Bootstrap,
        findings: Findings | None = None,
        sink: FindingsSink | None = None,
        shared: SharedCounts | None = None,
        ticket_seed: bytes = b"",
    ) -> None:
        self._options = options
        self._shared = shared
        self._ticket_seed = ticket_seed
        loop = asyncio.get_running_loop()
        self.stats = StatsStore()
        self.log_files = LogFiles(options.file_flush_min_size_kb << 10, self.stats)
        self.config = _compile(bootstrap, self.log_files)
        if self.config.rejects_stat is not None:
            self.stats.hide(self.config.rejects_stat)
        self.levels = None if self.config.overload is None else _levels(self.config.overload, self.stats)
        self.holder = Holder()
        deadlines = DeadlineWheel(loop.time, loop.call_at)
        outlier_log = self.config.outlier_log
        self.clusters = ClusterManager(self.holder, self.stats, loop, deadlines, findings, sink, shared, self.levels, outlier_log)
        if self.config.internal_buffer_size is not None:
            self.clusters.internal_listeners.buffer_size = self.config.internal_buffer_size
        self._context = ServerContext(
            self.holder,
            self.clusters,
            self.stats,
            deadlines,
            loop,
            self.config.node_cluster,
            self.config.node_id,
            local_address(),
            overload=self.levels,
            shared=shared,
        )

    def listeners(self, worker: int = 0, bind: BindSockets = bind_one) -> ListenerManager:
        """What accepts in this loop.  bind: where sockets come from."""
        most = self.config.connection_limit
        limit = (
            None
            if most is None
            else ConnectionLimit(most, self.stats, None if self._shared is None else self._shared.connections())
        )
        gradual = self._options.drain_strategy == "gradual"
        acceptors = self.clusters.internal_listeners.acceptors
        return ListenerManager(self._context, self._options.drain_time, gradual, worker, bind, limit, acceptors)

    async def watch_resources(self, listeners: ListenerManager | None, main_process: int | None = None) -> None:
        """Run the overload manager, if there is one, until cancelled.

        listeners: of this process, None where workers have them.  main_process: None here; a worker shows no statistics of its own.
        """
        if self.config.overload is None or self.levels is None:
            return
        store = self.stats if main_process is None else StatsStore()
        watched = os.getpid() if main_process is None else main_process
        await OverloadManager(self.config.overload, self.levels, listeners, store.scope("overload."), watched).run()

    def compile_context(self, *, added_via_api: bool) -> CompileContext:
        """For one resource."""
        config = self.config
        return CompileContext(
            runtime=config.runtime,
            node_id=config.node_id,
            node_cluster=config.node_cluster,
            node_zone=config.node_zone,
            added_via_api=added_via_api,
            log_files=self.log_files,
            ticket_seed=self._ticket_seed,
            internal_listeners=config.internal_buffer_size is not None,
            upstream_bind_config=config.upstream_bind_config,
        )

    async def flush_stats(self) -> None:
        """End the intervals of histograms, until cancelled."""
        while True:
            await asyncio.sleep(self.config.stats_flush_interval)
            self.stats.flush()

    async def flush_logs(self) -> None:
        """Write access-log lines that have waited long enough, until cancelled."""
        while True:
            await asyncio.sleep(self._options.file_flush_interval_msec / 1000)
            self.log_files.flush()


def calm_collector() -> None:
    """What lives now lives long, and what ends leaves no cycles: walk less, and less often.  (6 % of the request path before.)

    The oldest objects are only walked once there are a quarter more of them (CPython's own rule).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 10)


def _compile(bootstrap: Bootstrap, log_files: LogFiles) -> BootstrapConfig:
    context = CompileContext(log_files=log_files)
    config = compile_bootstrap(bootstrap, context)
    context.problems.raise_if_any()
    return config


def _levels(settings: OverloadSettings, stats: StatsStore) -> OverloadLevels:
    scope = stats.scope("overload.")
    points = {each.name: LoadShedPoint(scope.counter(f"{each.name}.shed_load_count")) for each in settings.shed_points}
    return OverloadLevels(points, settings.least_times)
