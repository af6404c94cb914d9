"""The composition root: the only place where concrete parts meet.

Here: making the parts, the order in which they come up, and stopping them.  Not here: what any of them does.
Order at the start, as Envoy's: static clusters, then discovered clusters and their endpoints, then listeners and their routes; nothing is
accepted before all of these were answered or their time was up.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import time
from collections.abc import Callable, Iterable, Sequence

from google.protobuf.message import Message

from dataplane.admin.context import AdminContext, ListenerFacts
from dataplane.admin.server import AdminServer
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.bootstrap.load import LoadedBootstrap
from dataplane.bootstrap.resources import parse_discovery_response
from dataplane.compile.config_source import compile_api_config_source
from dataplane.compile.message_types import type_url_of
from dataplane.compile.resource import compile_resource
from dataplane.listener.manager import ListenerManager
from dataplane.observe.names import TagExtractor
from dataplane.observe.stats import StatsStore
from dataplane.server.certificates import tls_contexts
from dataplane.server.configuration import Configuration
from dataplane.server.engine import Engine, calm_collector
from dataplane.server.health_discovery import CheckedClusters
from dataplane.server.heap import keep_steady
from dataplane.server.hot_restart.carried import totals
from dataplane.server.hot_restart.epochs import Takeover
from dataplane.server.hot_restart.names import VERSION
from dataplane.server.hot_restart.sockets import HandedSockets
from dataplane.server.hot_restart.successor import Handover, SuccessorPort
from dataplane.server.journal import JournalFile
from dataplane.server.lifecycle import ProcessLifecycle
from dataplane.server.load_reports import LoadReports
from dataplane.server.options import Options
from dataplane.server.process_stats import ProcessStats
from dataplane.server.records import config_records
from dataplane.server.resources import Resource, Static, values_of
from dataplane.server.secret_files import SecretFiles
from dataplane.server.sources import Sources
from dataplane.server.sums import Sums
from dataplane.server.watchdog import own_loop
from dataplane.server.workers.crew import Crew
from dataplane.server.workers.sockets import KeptSockets
from dataplane.server.workers.spawn import Spawned
from dataplane.snapshot.config_source import ConfigSource
from dataplane.upstream.facts import ClusterFacts
from dataplane.xds.client import XdsClient
from dataplane.xds.health_stream import HealthStream
from dataplane.xds.load_stream import LoadStream
from dataplane.xds.messages import Decoded
from dataplane.xds.source import XdsConfig
from dataplane.xds.subscription import WILDCARD
from dataplane.xds.types import CLUSTER, LISTENER

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
    """Everything of one process, or the main process of several.  Made inside the running loop; `run` serves until it is cancelled, `stop`
    ends it.
    """

    def __init__(
        self,
        options: Options,
        loaded: LoadedBootstrap,
        spawned: Sequence[Spawned] = (),
        successors: socket.socket | None = None,
    ) -> None:
        """spawned: processes for workers that were started already.  successors: where the next epoch's process knocks."""
        self._options = options
        self._bootstrap = loaded.message
        self._started_wall = time.time()
        handed = HandedSockets()
        self._crew: Crew | None = None
        self._listeners: ListenerManager | KeptSockets
        if options.concurrency > 1:
            self._crew = Crew(options, loaded.message, spawned, handed)
            self._engine, self._listeners = self._crew.engine, self._crew.listeners
        else:
            self._engine = Engine(options, loaded.message)
            self._listeners = self._engine.listeners(bind=handed)
        engine, crew = self._engine, self._crew
        self.config = engine.config
        self._sums = crew.sums if crew is not None else Sums(engine.stats) if options.restart_epoch else None
        self._takeover = Takeover(options, handed, self._sums, self.config.stats_flush_interval)
        self._successors = None if successors is None else SuccessorPort(successors, self._handover())
        reopen_logs = engine.log_files.reopen if crew is None else crew.reopen_logs
        self.lifecycle = ProcessLifecycle(self._listeners, options, engine.stats, reopen_logs)
        self._watchdog = own_loop(self.config.watchdogs, engine.stats, carries_traffic=crew is None)
        self._process_stats = ProcessStats(engine.stats, self._started_wall, options, self.config)
        static = self._static_resources()
        self._sources = Sources(
            values_of(static.clusters),
            lambda: self._configuration.secrets,
            lambda cluster: engine.stats.scope(f"cluster.{cluster.stat_name}."),
        )
        follower = None if crew is None else crew.follower
        self._configuration = Configuration(
            engine.holder, engine.clusters, self._listeners, self._sources, engine.stats, static, follower=follower
        )
        self._secret_files = SecretFiles(self._configuration, self._decode, engine.stats)
        self._client: XdsClient | None = None
        self._journal: JournalFile | None = None
        if options.journal_path:
            node, stats = f"{self.config.node_id}/{self.config.node_cluster}", self._engine.stats.scope("pointsman.journal.")
            self._journal = JournalFile(options.journal_path, node, stats, secrets=options.journal_secrets)
        self._health_stream: HealthStream | None = None
        self._checked = CheckedClusters(engine.clusters, lambda: engine.compile_context(added_via_api=True))
        self._load_stream: LoadStream | None = None
        self._admin: AdminServer | None = None

    async def run(self) -> None:
        """Come up in order, then stay.  Raises what keeps it from starting."""
        await self._takeover.begin()
        await self._start_admin()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._configuration.run(), name="configuration")
            tasks.create_task(self._engine.flush_stats(), name="stats flush")
            tasks.create_task(self._engine.flush_logs(), name="log flush")
            listeners = self._listeners if isinstance(self._listeners, ListenerManager) else None
            tasks.create_task(self._engine.watch_resources(listeners), name="overload")
            if self._crew is not None:
                self._crew.fleet.start()
                tasks.create_task(self._crew.keep_asking(), name="stats of workers")
            await self._initialize()
            if self._crew is not None:
                await self._crew.fleet.until_followed()
                self._crew.fleet.initialized()
            self.lifecycle.initialized()
            if self._journal is not None and self._client is not None:
                self._configuration.on_ready = self._journal.on_ready
                self._journal.on_ready()
                tasks.create_task(self._journal.run(self._client.journaled), name="journal")
            calm_collector()
            keep_steady()
            self._process_stats.initialized(time.time() - self._started_wall)
            tasks.create_task(self._takeover.finish(), name="takeover")
            tasks.create_task(self._watchdog.run(), name="watchdog")
            if self._crew is not None:
                tasks.create_task(self._crew.watchdog.run(), name="watchdog of workers")

    async def stop(self) -> None:
        """Close what is open and write what is buffered."""
        if self._successors is not None:
            self._successors.close()
        if self._client is not None:
            await self._client.stop()
        self._secret_files.close()
        if self._health_stream is not None:
            await self._health_stream.stop()
            self._checked.stop()
        if self._load_stream is not None:
            await self._load_stream.stop()
        self._listeners.stop()
        if self._crew is not None:
            await self._crew.fleet.stop()
        self._engine.clusters.stop()
        if self._admin is not None:
            await self._admin.stop()
        self._engine.log_files.close()

    # -- coming up -----------------------------------------------------------------------------------------------------

    async def _initialize(self) -> None:
        configuration = self._configuration
        await self._within(_STATIC_DNS_LIMIT, self._static_clusters_resolved)
        await self._start_discovery()
        await configuration.until(self._clusters_known)
        self._subscribe(LISTENER, self.config.lds_config, "listener_manager.lds.")
        configuration.subscriptions.follow(LISTENER)
        configuration.serve()
        await configuration.until(self._listeners_known)
        for name, error in configuration.not_bound.items():
            if name in configuration.static.listeners:
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
        usable = self._engine.holder.current.clusters
        return all(name in usable or name in waiting for name in self._configuration.static.clusters)

    async def _start_discovery(self) -> None:
        at = FieldPath() / "dynamic_resources"
        ads = self.config.ads_config
        xds = XdsConfig(self.config.node, self._sources.api(ads, at / "ads_config") if ads is not None else None)
        self._client = XdsClient(
            xds,
            self._decode,
            self._secret_files,
            _Clock(),
            self._engine.stats.scope(""),
            parse_file=parse_discovery_response,
            journal=None if self._journal is None else self._journal.read(),
        )
        wanted = {CLUSTER: self.config.cds_config, LISTENER: self.config.lds_config}
        self._configuration.follow(self._client, [type_url for type_url, source in wanted.items() if source is not None])
        self._subscribe(CLUSTER, self.config.cds_config, "cluster_manager.cds.")
        self._configuration.subscriptions.follow(CLUSTER)
        self._client.start()
        self._start_health_discovery()
        self._start_load_reports()

    def _start_health_discovery(self) -> None:
        """As in Envoy nothing else depends on it: a server that is not there costs its checks alone."""
        if self.config.hds_config is None:
            return
        try:
            source = self._sources.api(self.config.hds_config, FieldPath() / "hds_config")
        except ConfigError as error:
            _log.warning("no health discovery: %s", error)
        else:
            stats = self._engine.stats.scope("hds_delegate.")
            self._health_stream = HealthStream(source.service, self.config.node, self._checked, stats, random.random)
            self._health_stream.start()

    def _start_load_reports(self) -> None:
        """As in Envoy a configuration that names no server that is there costs the reports alone."""
        manager, at = self._bootstrap.cluster_manager, FieldPath() / "cluster_manager" / "load_stats_config"
        if not manager.HasField("load_stats_config"):
            return
        try:
            source = self._sources.api(compile_api_config_source(manager.load_stats_config, at), at)
        except ConfigError as error:
            _log.warning("no load reports: %s", error)
        else:
            stats, reports = self._engine.stats.scope("load_reporter."), LoadReports(self._read_clusters)
            self._load_stream = LoadStream(source.service, self.config.node, reports, stats)
            self._load_stream.start()

    async def _read_clusters(self, names: Iterable[str] | None) -> list[ClusterFacts]:
        """names: of those that are wanted, None for all."""
        if self._crew is None:
            return self._engine.clusters.facts(names)
        await self._crew.ask("clusters")
        return self._crew.clusters(names)

    def _subscribe(self, type_url: str, source: ConfigSource | None, prefix: str) -> None:
        if source is None or self._client is None:
            return
        at = FieldPath() / "dynamic_resources"
        scope = self._engine.stats.scope(prefix)
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

    def _static_resources(self) -> Static:
        static = self._bootstrap.static_resources
        return Static(
            secrets=self._compiled(static.secrets),
            clusters=self._compiled(static.clusters),
            listeners=self._compiled(static.listeners),
        )

    def _compiled(self, messages: Iterable[Message]) -> dict[str, Resource]:
        """Compiled once more than the validation did; it is the same code, so it cannot fail now."""
        found = {}
        for message in messages:
            compiled = compile_resource(type_url_of(message), message, self._engine.compile_context(added_via_api=False))
            body = message.SerializeToString(deterministic=True)
            found[compiled.name] = Resource(compiled.name, compiled.value, body, "", self._started_wall, False)
        return found

    def _decode(self, type_url: str, body: bytes) -> Decoded:
        """xds.messages.Decoder."""
        compiled = compile_resource(type_url, body, self._engine.compile_context(added_via_api=True))
        return Decoded(compiled.name, Resource(compiled.name, compiled.value, body))

    # -- aside ---------------------------------------------------------------------------------------------------------

    def _admin_context(self) -> AdminContext:
        engine, crew = self._engine, self._crew
        return AdminContext(
            stats=self._shown_stats,
            tags=TagExtractor(self.config.tag_rules, (*self.config.fixed_tags, *self._options.stats_tags)),
            lifecycle=self.lifecycle,
            bootstrap=self._bootstrap_with_node,
            records=lambda: config_records(self._configuration, self._client),
            clusters=engine.clusters.facts if crew is None else crew.clusters,
            listeners=lambda: [ListenerFacts(status.name, status.addresses) for status in self._listeners.status],
            runtime=lambda: [
                (name, {key: _runtime_text(value) for key, value in values.items()})
                for name, values in self.config.runtime_layers
            ],
            command_line=self._options.command_line(),
            started_wall=self._started_wall,
            refresh_stats=self._refresh_stats,
            tls_contexts=lambda: tls_contexts(engine.holder.current),
            access_loggers=self.config.admin_access_loggers,
            workers=crew,
            reset_counters=self._reset_counters,
            hot_restart_version="disabled" if self._successors is None else VERSION,
            first_started_wall=lambda: self._takeover.started_wall,
        )

    @property
    def _shown_stats(self) -> StatsStore:
        return self._engine.stats if self._sums is None else self._sums.shown

    def _refresh_stats(self) -> None:
        resident = 0 if self._crew is None else self._crew.resident
        if self._crew is not None:
            self._crew.show_shared()
        before = 0 if self._sums is None else self._sums.predecessor_connections
        self._process_stats.refresh(
            self._engine.holder.current, self._listeners.connections, resident, self._takeover.started_wall, before
        )
        if self._sums is not None:
            self._sums.sum_up()

    def _reset_counters(self) -> None:
        if self._crew is not None:
            self._crew.reset_counters()
        (self._engine.stats if self._sums is None else self._sums).reset_counters()

    # -- hot restart ---------------------------------------------------------------------------------------------------

    def _handover(self) -> Handover:
        return Handover(
            started_wall=lambda: self._takeover.started_wall,
            stop_admin=self._stop_admin,
            sockets=lambda: [(address.text, sock.fileno()) for address, sock in self._listeners.sockets],
            stats=self._told_stats,
            drain=lambda: self.lifecycle.hand_over(),
            end=lambda: self.lifecycle.over.set(),
            abandoned=self._on_abandoned,
        )

    async def _told_stats(self) -> dict[str, dict[str, int]]:
        if self._crew is not None:
            await self._crew.ask("stats")
        self._refresh_stats()
        return totals(self._shown_stats)

    async def _on_abandoned(self, drained: bool) -> None:
        """Our successor is gone: without it we would wait for ever, or stay without an admin endpoint."""
        if drained:
            self.lifecycle.terminate()
        elif self._admin is None:
            await self._start_admin()

    async def _start_admin(self) -> None:
        if self.config.admin_address is not None:
            self._admin = AdminServer(self._admin_context())
            await self._admin.start(self.config.admin_address)
            self._write_admin_address()

    async def _stop_admin(self) -> None:
        if self._admin is not None:
            await self._admin.stop()
            self._admin = None

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


def _runtime_text(value: object) -> str:
    """As `/runtime` prints values."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)
