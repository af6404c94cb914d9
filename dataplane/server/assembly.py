"""The composition root: the only place where concrete parts meet.

Here: making the parts, the order in which they come up, and stopping them.  Not here: what any of them does.
Order at the start, as Envoy's: static clusters, then discovered clusters and their endpoints, then listeners and their routes; nothing is
accepted before all of these were answered or their time was up.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from dataplane.admin.context import AdminContext, ListenerFacts
from dataplane.admin.server import AdminServer
from dataplane.api.network_filter import ServerContext
from dataplane.base.deadlines import DeadlineWheel
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.bootstrap.load import LoadedBootstrap
from dataplane.bootstrap.resources import parse_discovery_response
from dataplane.compile.bootstrap import BootstrapConfig, compile_bootstrap
from dataplane.compile.context import CompileContext
from dataplane.compile.message_types import type_url_of
from dataplane.compile.resource import compile_resource
from dataplane.http.local_address import local_address
from dataplane.listener.connection_limit import ConnectionLimit
from dataplane.listener.manager import ListenerManager
from dataplane.observe.log_file import LogFiles
from dataplane.observe.names import TagExtractor
from dataplane.observe.stats import StatsStore
from dataplane.server.certificates import tls_contexts
from dataplane.server.configuration import Configuration, Resource
from dataplane.server.health_discovery import CheckedClusters
from dataplane.server.lifecycle import ProcessLifecycle
from dataplane.server.options import Options
from dataplane.server.process_stats import ProcessStats
from dataplane.server.records import config_records
from dataplane.server.sources import Sources
from dataplane.snapshot.config_source import ConfigSource
from dataplane.snapshot.snapshot import Holder
from dataplane.upstream.cluster_manager import ClusterManager
from dataplane.xds.client import XdsClient
from dataplane.xds.health_stream import HealthStream
from dataplane.xds.messages import Decoded
from dataplane.xds.source import XdsConfig
from dataplane.xds.subscription import WILDCARD
from dataplane.xds.types import CLUSTER, LISTENER, SECRET

_log = logging.getLogger("main")

# A static cluster found by DNS is waited for this long at the start; a name server that is down must not keep everything else from serving.
_STATIC_DNS_LIMIT = 5.0


class _Clock:
    """xds.client.Clock."""

    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()


class Server:
    """Everything of one process.  Made inside the running loop; `run` serves until it is cancelled, `stop` ends it."""

    def __init__(self, options: Options, loaded: LoadedBootstrap) -> None:
        self._options = options
        self._bootstrap = loaded.message
        self._started_wall = time.time()
        loop = asyncio.get_running_loop()
        self._stats = StatsStore()
        self._log_files = LogFiles(options.file_flush_min_size_kb << 10, self._stats)
        self.config = _compile(loaded, self._log_files)
        if self.config.rejects_stat is not None:
            self._stats.hide(self.config.rejects_stat)
        self._holder = Holder()
        deadlines = DeadlineWheel(loop.time, loop.call_at)
        self._clusters = ClusterManager(self._holder, self._stats, loop, deadlines)
        context = ServerContext(
            self._holder,
            self._clusters,
            self._stats,
            deadlines,
            loop,
            self.config.node_cluster,
            self.config.node_id,
            local_address(),
        )
        most = self.config.connection_limit
        limit = None if most is None else ConnectionLimit(most, self._stats)
        self._listeners = ListenerManager(context, options.drain_time, options.drain_strategy == "gradual", limit=limit)
        self.lifecycle = ProcessLifecycle(self._listeners, options, self._stats, self._log_files.reopen)
        self._process_stats = ProcessStats(self._stats, self._started_wall, options, self.config)
        static = self._static_resources()
        self._sources = Sources(
            {resource.name: resource.value for resource in static[CLUSTER]},
            lambda: self._configuration.secrets,
            lambda cluster: self._stats.scope(f"cluster.{cluster.stat_name}."),
        )
        self._configuration = Configuration(self._holder, self._clusters, self._listeners, self._sources, self._stats)
        self._configuration.set_static(static[CLUSTER], static[LISTENER], static[SECRET])
        self._client: XdsClient | None = None
        self._health_stream: HealthStream | None = None
        self._checked = CheckedClusters(self._clusters, lambda: self._context(added_via_api=True))
        self._admin: AdminServer | None = None

    async def run(self) -> None:
        """Come up in order, then stay.  Raises what keeps it from starting."""
        if self.config.admin_address is not None:
            self._admin = AdminServer(self._admin_context())
            await self._admin.start(self.config.admin_address)
            self._write_admin_address()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._configuration.run(), name="configuration")
            tasks.create_task(self._flush_stats(), name="stats flush")
            tasks.create_task(self._flush_logs(), name="log flush")
            await self._initialize()
            self.lifecycle.initialized()
            _calm_collector()
            self._process_stats.initialized(time.time() - self._started_wall)

    async def stop(self) -> None:
        """Close what is open and write what is buffered."""
        if self._client is not None:
            await self._client.stop()
        if self._health_stream is not None:
            await self._health_stream.stop()
            self._checked.stop()
        self._listeners.stop()
        self._clusters.stop()
        if self._admin is not None:
            await self._admin.stop()
        self._log_files.close()

    # -- coming up -----------------------------------------------------------------------------------------------------

    async def _initialize(self) -> None:
        configuration = self._configuration
        await self._within(_STATIC_DNS_LIMIT, self._static_clusters_resolved)
        await self._start_discovery()
        await configuration.until(self._clusters_known)
        self._subscribe(LISTENER, self.config.lds_config, "listener_manager.lds.")
        configuration.follow_scopes()
        configuration.follow_routes()
        configuration.serve()
        await configuration.until(self._listeners_known)
        for name, error in configuration.not_bound.items():
            if name in configuration.static_listeners:
                raise OSError(error.errno, f"listener {name}: cannot bind: {error.strerror}")

    async def _within(self, limit: float, condition: Callable[[], bool]) -> None:
        try:
            await asyncio.wait_for(self._configuration.until(condition), limit)
        except TimeoutError:
            _log.warning("static clusters are not all resolved after %.0f s; going on without them", limit)

    def _static_clusters_resolved(self) -> bool:
        """All are in use, but for those that wait for what discovery brings."""
        plan = self._configuration.plan
        waiting = {each.name for each in plan.waiting if each.what == "cluster"} if plan is not None else set()
        usable = self._holder.current.clusters
        return all(name in usable or name in waiting for name in self._configuration.static_clusters)

    async def _start_discovery(self) -> None:
        at = FieldPath() / "dynamic_resources"
        ads = self.config.ads_config
        xds = XdsConfig(self.config.node, self._sources.api(ads, at / "ads_config") if ads is not None else None)
        self._client = XdsClient(
            xds, self._decode, self._configuration, _Clock(), self._stats.scope(""), parse_file=parse_discovery_response
        )
        wanted = {CLUSTER: self.config.cds_config, LISTENER: self.config.lds_config}
        self._configuration.follow(self._client, [type_url for type_url, source in wanted.items() if source is not None])
        self._subscribe(CLUSTER, self.config.cds_config, "cluster_manager.cds.")
        self._configuration.follow_endpoints()
        self._configuration.follow_secrets()
        self._client.start()
        self._start_health_discovery()

    def _start_health_discovery(self) -> None:
        """As in Envoy nothing else depends on it: a server that is not there costs its checks alone."""
        if self.config.hds_config is None:
            return
        try:
            source = self._sources.api(self.config.hds_config, FieldPath() / "hds_config")
        except ConfigError as error:
            _log.warning("no health discovery: %s", error)
        else:
            stats = self._stats.scope("hds_delegate.")
            self._health_stream = HealthStream(source.service, self.config.node, self._checked, stats, random.random)
            self._health_stream.start()

    def _subscribe(self, type_url: str, source: ConfigSource | None, prefix: str) -> None:
        if source is None or self._client is None:
            return
        at = FieldPath() / "dynamic_resources"
        scope = self._stats.scope(prefix)
        self._client.subscribe(
            type_url, self._sources.source(source, at), WILDCARD, lambda name: scope, source.initial_fetch_timeout
        )

    def _clusters_known(self) -> bool:
        configuration = self._configuration
        if self.config.cds_config is not None and None not in configuration.discovered.settled[CLUSTER]:
            return False
        return configuration.plan is not None and not any(each.what == "cluster" for each in configuration.plan.waiting)

    def _listeners_known(self) -> bool:
        configuration = self._configuration
        if self.config.lds_config is not None and None not in configuration.discovered.settled[LISTENER]:
            return False
        return configuration.plan is not None and not configuration.plan.waiting

    def _static_resources(self) -> Mapping[str, Sequence[Resource]]:
        """Compiled once more than the validation did; it is the same code, so it cannot fail now."""
        static = self._bootstrap.static_resources
        found: dict[str, list[Resource]] = {CLUSTER: [], LISTENER: [], SECRET: []}
        for type_url, messages in ((SECRET, static.secrets), (CLUSTER, static.clusters), (LISTENER, static.listeners)):
            for message in messages:
                compiled = compile_resource(type_url_of(message), message, self._context(added_via_api=False))
                body = message.SerializeToString(deterministic=True)
                found[type_url].append(Resource(compiled.name, compiled.value, body, "", self._started_wall))
        return found

    def _decode(self, type_url: str, body: bytes) -> Decoded:
        """xds.messages.Decoder."""
        compiled = compile_resource(type_url, body, self._context(added_via_api=True))
        return Decoded(compiled.name, Resource(compiled.name, compiled.value, body))

    def _context(self, *, added_via_api: bool) -> CompileContext:
        config = self.config
        return CompileContext(
            runtime=config.runtime,
            node_id=config.node_id,
            node_cluster=config.node_cluster,
            node_zone=config.node_zone,
            added_via_api=added_via_api,
            log_files=self._log_files,
        )

    # -- aside ---------------------------------------------------------------------------------------------------------

    async def _flush_stats(self) -> None:
        while True:
            await asyncio.sleep(self.config.stats_flush_interval)
            self._stats.flush()

    async def _flush_logs(self) -> None:
        while True:
            await asyncio.sleep(self._options.file_flush_interval_msec / 1000)
            self._log_files.flush()

    def _admin_context(self) -> AdminContext:
        return AdminContext(
            stats=self._stats,
            tags=TagExtractor(self.config.tag_rules, (*self.config.fixed_tags, *self._options.stats_tags)),
            lifecycle=self.lifecycle,
            bootstrap=self._bootstrap_with_node,
            records=lambda: config_records(self._configuration, self._client),
            clusters=self._clusters.facts,
            listeners=lambda: [ListenerFacts(status.name, status.addresses) for status in self._listeners.status],
            runtime=lambda: [
                (name, {key: _runtime_text(value) for key, value in values.items()})
                for name, values in self.config.runtime_layers
            ],
            command_line=self._options.command_line(),
            started_wall=self._started_wall,
            refresh_stats=partial(self._process_stats.refresh, self._listeners),
            tls_contexts=lambda: tls_contexts(self._holder.current),
            access_loggers=self.config.admin_access_loggers,
        )

    def _bootstrap_with_node(self) -> bytes:
        shown = type(self._bootstrap)()
        shown.CopyFrom(self._bootstrap)
        shown.node.ParseFromString(self.config.node)
        return bytes(shown.SerializeToString())

    def _write_admin_address(self) -> None:
        path = self._options.admin_address_path
        if path and self._admin is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(str(self._admin.address))


def _calm_collector() -> None:
    """What lives now lives long, and a request leaves next to no cycles: walk less, and less often.  (6 % of the request path before.)"""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _compile(loaded: LoadedBootstrap, log_files: LogFiles) -> BootstrapConfig:
    context = CompileContext(log_files=log_files)
    config = compile_bootstrap(loaded.message, context)
    context.problems.raise_if_any()
    return config


def _runtime_text(value: object) -> str:
    """As `/runtime` prints values."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)
