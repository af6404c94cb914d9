"""From accepted resources to the generation in use.

Here: what is accepted (static and discovered), which names follow from it, and the one task that plans, links, and swaps generations.
Not here: protocols (xds.client), what may be used already (xds.warming), compiling (compile.resource).
Order that must hold in a swap: sockets of new listeners are bound; live clusters follow and the snapshot is published in one step of the
loop; then listeners follow.  So a request never finds a route whose cluster is not there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.link import link
from dataplane.compile.meaning import is_reordered
from dataplane.snapshot.config_source import ConfigSource
from dataplane.snapshot.secret import SecretValue, static_key
from dataplane.xds.subscription import WILDCARD
from dataplane.xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SCOPED_ROUTE, SECRET
from dataplane.xds.warming import Accepted, Plan, Warming

if TYPE_CHECKING:
    from dataplane.observe.stats import Gauge, Scope, StatsStore
    from dataplane.server.sources import Sources
    from dataplane.snapshot.cluster import Cluster
    from dataplane.snapshot.listener import Listener
    from dataplane.snapshot.snapshot import Holder, Snapshot
    from dataplane.upstream.cluster_manager import ClusterManager
    from dataplane.xds.client import XdsClient
    from dataplane.xds.source import Source

log = logging.getLogger("config")


@dataclass(frozen=True, slots=True)
class Resource:
    """One accepted resource: what it compiled to, and what it was, for the admin endpoint and the workers.

    version: of the response that brought it.  added_via_api: it did not stand in the bootstrap.
    """

    name: str
    value: Any
    body: bytes
    version: str = ""
    updated_wall: float = 0.0
    added_via_api: bool = True


InUse = Mapping[str, Mapping[str, Resource]]
"""By type URL, then by the key under which a snapshot has the value."""


class Listeners(Protocol):
    """What follows the listeners of a generation: listener.manager.ListenerManager, or workers.sockets.KeptSockets for others."""

    def bind(self, listeners: Mapping[str, Listener]) -> dict[str, OSError]: ...

    async def apply(self, previous: Snapshot, current: Snapshot) -> None: ...


class Follower(Protocol):
    """Somebody outside this process who lives by the same generations.  in_use: what the snapshot *current* is made of."""

    def follow(self, previous: Snapshot, current: Snapshot, in_use: InUse) -> None: ...


@dataclass(slots=True)
class Discovered:
    """What has come over xDS.  settled: names (None: the wildcard) that were answered or whose time is up, by type."""

    resources: dict[str, dict[str, Resource]] = field(
        default_factory=lambda: {CLUSTER: {}, ENDPOINT: {}, LISTENER: {}, ROUTE: {}, SCOPED_ROUTE: {}, SECRET: {}}
    )
    settled: dict[str, set[str | None]] = field(
        default_factory=lambda: {url: set() for url in (CLUSTER, ENDPOINT, LISTENER, ROUTE, SCOPED_ROUTE, SECRET)}
    )

    def values(self, type_url: str) -> dict[str, Any]:
        return {name: resource.value for name, resource in self.resources[type_url].items()}


class Configuration:
    """Implements xds.client.UpdateListener.  Lives in one event loop."""

    def __init__(
        self,
        holder: Holder,
        clusters: ClusterManager,
        listeners: Listeners,
        sources: Sources,
        stats: StatsStore,
        warming: Warming | None = None,
        now: Callable[[], float] = time.monotonic,
        follower: Follower | None = None,
    ) -> None:
        self._holder = holder
        self._clusters = clusters
        self._listeners = listeners
        self._sources = sources
        self._stats = stats
        self._warming = warming or Warming()
        self._now = now
        self._follower = follower
        self._client: XdsClient | None = None
        self._changed = asyncio.Event()
        self._published = asyncio.Condition()
        self._timer: asyncio.TimerHandle | None = None
        self._serving = False
        self._rounds_begun = self._rounds_done = 0
        self.static_clusters: Mapping[str, Resource] = {}
        self.static_listeners: Mapping[str, Resource] = {}
        self.static_secrets: Mapping[str, Resource] = {}
        self.discovered = Discovered()
        self.in_use: dict[str, dict[str, Resource]] = {
            CLUSTER: {},
            LISTENER: {},
            ROUTE: {},
            SCOPED_ROUTE: {},
            ENDPOINT: {},
            SECRET: {},
        }
        self.plan: Plan | None = None
        self.on_ready: Callable[[], None] | None = None  # everything that was accepted is in use
        self.not_bound: Mapping[str, OSError] = {}
        self._subscribed: dict[str, set[Source]] = {}
        self._scopes: dict[str, dict[str, str]] = {ENDPOINT: {}, ROUTE: {}, SECRET: {}}  # prefixes of statistics, by name
        self._scope_gauges: list[Gauge] = []  # what is used of SRDS; a scope that waits is not counted
        self._discovered_types: frozenset[str] = frozenset()
        self._generation = stats.gauge("pointsman.generation")
        self._held = stats.gauge("pointsman.held_clusters")
        self._waiting = stats.gauge("pointsman.waiting_resources")

    # -- what the assembly and the xDS client tell ---------------------------------------------------------------------

    def follow(self, client: XdsClient, discovered_types: Collection[str]) -> None:
        """Names that follow from resources are subscribed to there.  discovered_types: those that have a wildcard subscription."""
        self._client = client
        self._discovered_types = frozenset(discovered_types)

    def set_static(self, clusters: Iterable[Resource], listeners: Iterable[Resource], secrets: Iterable[Resource] = ()) -> None:
        self.static_secrets = {resource.name: resource for resource in secrets}
        self.static_clusters = {resource.name: resource for resource in clusters}
        self.static_listeners = {resource.name: resource for resource in listeners}
        self._changed.set()

    def on_update(self, type_url: str, changed: Mapping[str, object], removed: Collection[str], version_info: str) -> None:
        """xds.client.UpdateListener.  The values are Resources."""
        known = self.discovered.resources.get(type_url)
        if known is None:
            return
        for name, resource in changed.items():
            assert isinstance(resource, Resource)
            if name not in known or not is_reordered(type_url, known[name].body, resource.body):
                known[name] = Resource(name, resource.value, resource.body, version_info, time.time())
        for name in removed:
            if type_url != SECRET:  # as in Envoy, what somebody needs of these cannot be taken back
                known.pop(name, None)
        log.info("%s: %d added or changed, %d removed, version %s", type_url, len(changed), len(removed), version_info)
        self._follow_names(type_url)
        self._changed.set()

    def on_settled(self, type_url: str, name: str | None) -> None:
        """xds.client.UpdateListener."""
        if type_url in self.discovered.settled:
            self.discovered.settled[type_url].add(name)
            self._changed.set()

    def serve(self) -> None:
        """From now on listeners are part of a generation: everything they need at the start has been given its time."""
        self._serving = True
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until *condition* holds after a round that began later than this call."""
        begun = self._rounds_begun
        self._changed.set()
        async with self._published:
            await self._published.wait_for(lambda: self._rounds_done > begun and condition())

    # -- generations ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Plan and swap whenever something changed, until cancelled.  Changes that come meanwhile make one more generation, not one each."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            self._rounds_begun += 1
            await self._swap()
            self._rounds_done = self._rounds_begun
            if self.on_ready is not None and self.plan is not None and not self.plan.waiting and not self.not_bound:
                self.on_ready()
            async with self._published:
                self._published.notify_all()

    async def _swap(self) -> None:
        previous = self._holder.current
        accepted = self._accepted()
        plan = self.plan = self._warming.plan(self._now(), accepted, previous)
        listeners = self._bindable(plan.listeners, previous)
        current = link(
            listeners, plan.route_configurations, plan.clusters, plan.assignments, previous, accepted.secrets, plan.scopes
        )
        self._note(plan, current)
        if current is previous:
            return
        self._clusters.apply(previous, current)
        self._holder.current = current
        await self._listeners.apply(previous, current)
        if self._follower is not None:
            self._note_parts(current)
            self._follower.follow(previous, current, self.in_use)
        else:
            self._generation.set(current.generation)
        log.info(
            "generation %d: %d listeners, %d route configurations, %d clusters, %d held, %d waiting",
            current.generation,
            len(current.listeners),
            len(current.route_configurations),
            len(current.clusters),
            len(plan.held),
            len(plan.waiting),
        )

    def _accepted(self) -> Accepted:
        discovered = self.discovered
        settled = discovered.settled
        clusters = {**discovered.values(CLUSTER), **_values(self.static_clusters)}
        listeners = {**discovered.values(LISTENER), **_values(self.static_listeners)} if self._serving else {}
        return Accepted(
            listeners=listeners,
            route_configurations=discovered.values(ROUTE),
            clusters=self._resolved(clusters),
            assignments=discovered.values(ENDPOINT),
            cds_settled=None in settled[CLUSTER] or CLUSTER not in self._discovered_types,
            settled_assignments={name for name in settled[ENDPOINT] if name is not None},
            settled_route_configurations={name for name in settled[ROUTE] if name is not None},
            secrets=self.secrets,
            settled_secrets={name for name in settled[SECRET] if name is not None},
            scopes=discovered.values(SCOPED_ROUTE),
            srds_settled=None in settled[SCOPED_ROUTE] or not self._subscribed.get(SCOPED_ROUTE),
        )

    @property
    def secrets(self) -> dict[str, SecretValue]:
        """All that are known, by SecretReference.key."""
        static = {static_key(name): resource.value for name, resource in self.static_secrets.items()}
        return {**static, **self.discovered.values(SECRET)}

    def _resolved(self, clusters: dict[str, Cluster]) -> dict[str, Cluster]:
        """Clusters whose hosts come from DNS wait for their first answer; meanwhile the ones in use stay."""
        in_use = self._holder.current.clusters
        ready: dict[str, Cluster] = {}
        for name, cluster in clusters.items():
            if in_use.get(name) is cluster or self._clusters.prepare(cluster, self._changed.set):
                ready[name] = cluster
            elif name in in_use:
                ready[name] = in_use[name]
        return ready

    def _bindable(self, listeners: Mapping[str, Listener], previous: Snapshot) -> Mapping[str, Listener]:
        """Without the listeners whose address cannot be had: those keep what they have, if they have something."""
        failed = self._listeners.bind({name: new for name, new in listeners.items() if previous.listeners.get(name) is not new})
        self.not_bound = failed
        if not failed:
            return listeners
        kept = {name: value for name, value in listeners.items() if name not in failed}
        kept.update({name: previous.listeners[name] for name in failed if name in previous.listeners})
        return kept

    def _note(self, plan: Plan, current: Snapshot) -> None:
        """Remember what is in use, and wake up when waiting is over."""
        in_use: tuple[tuple[str, Mapping[str, Any], Mapping[str, Resource]], ...] = (
            (CLUSTER, current.clusters, self.static_clusters),
            (LISTENER, current.listeners, self.static_listeners),
            (ROUTE, current.route_configurations, {}),
            (SCOPED_ROUTE, current.scopes, {}),
        )
        for type_url, values, static in in_use:
            before = self.in_use[type_url]
            known = self.discovered.resources[type_url]
            self.in_use[type_url] = {
                name: _resource(value, (static.get(name), known.get(name), before.get(name))) for name, value in values.items()
            }
        for gauge in self._scope_gauges:
            gauge.set(len(current.scopes))
        self._held.set(len(plan.held))
        self._waiting.set(len(plan.waiting))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if plan.next_deadline is not None:
            delay = max(0.0, plan.next_deadline - self._now())
            self._timer = asyncio.get_running_loop().call_later(delay, self._changed.set)

    def _note_parts(self, current: Snapshot) -> None:
        """Remember what is in use of the types that only somebody outside asks for."""
        known, before = self.discovered.resources[ENDPOINT], self.in_use[ENDPOINT]
        self.in_use[ENDPOINT] = {
            name: _resource(value, (known.get(current.clusters[name].eds_service_name), before.get(name)))
            for name, value in current.assignments.items()
        }
        secrets = {static_key(name): resource for name, resource in self.static_secrets.items()}
        known, before = self.discovered.resources[SECRET], self.in_use[SECRET]
        self.in_use[SECRET] = {
            key: _resource(value, (secrets.get(key), known.get(key), before.get(key))) for key, value in current.secrets.items()
        }

    # -- names that follow ---------------------------------------------------------------------------------------------

    def _follow_names(self, type_url: str) -> None:
        if type_url == CLUSTER:
            self.follow_endpoints()
            self.follow_secrets()
        elif type_url == SCOPED_ROUTE:
            self.follow_routes()
        elif type_url == LISTENER:
            self.follow_scopes()
            self.follow_routes()
            self.follow_secrets()

    def follow_endpoints(self) -> None:
        """Ask for the endpoints of every cluster that is known, used or not."""
        wanted: dict[ConfigSource, set[str]] = {}
        for resource in (*self.discovered.resources[CLUSTER].values(), *self.static_clusters.values()):
            cluster: Cluster = resource.value
            if cluster.eds_source is not None:
                wanted.setdefault(cluster.eds_source, set()).add(cluster.eds_service_name)
                self._scopes[ENDPOINT][cluster.eds_service_name] = f"cluster.{cluster.stat_name}."
        self._subscribe(ENDPOINT, wanted)

    def follow_routes(self) -> None:
        """Ask for the route configurations of every listener, and of every scope, that is known."""
        wanted: dict[ConfigSource, set[str]] = {}
        in_scopes = {resource.value.route_configuration_name for resource in self.discovered.resources[SCOPED_ROUTE].values()}
        for resource in (*self.discovered.resources[LISTENER].values(), *self.static_listeners.values()):
            listener: Listener = resource.value
            for rds in listener.rds_sources:
                wanted.setdefault(rds.source, set()).add(rds.route_config_name)
                self._scopes[ROUTE][rds.route_config_name] = f"http.{rds.stat_prefix}.rds.{rds.route_config_name}."
            for srds in listener.srds_sources:
                wanted.setdefault(srds.rds_source, set()).update(in_scopes)
                self._scopes[ROUTE].update({name: f"http.{srds.stat_prefix}.rds.{name}." for name in in_scopes})
        self._subscribe(ROUTE, wanted)

    def follow_scopes(self) -> None:
        """Ask for all scopes, wherever a listener that is known takes them from."""
        wanted: dict[Source, tuple[str, float]] = {}
        for resource in (*self.discovered.resources[LISTENER].values(), *self.static_listeners.values()):
            for srds in resource.value.srds_sources:
                with self._telling_errors(SCOPED_ROUTE):
                    source = self._sources.source(srds.source, FieldPath("config_source"))
                    wanted[source] = (f"http.{srds.stat_prefix}.scoped_rds.{srds.name}.", srds.source.initial_fetch_timeout)
        self._subscribe_all(SCOPED_ROUTE, wanted)

    def _subscribe_all(self, type_url: str, wanted: Mapping[Source, tuple[str, float]]) -> None:
        """The wildcard of a type at each source, with the prefix of its statistics and its timeout."""
        client, known = self._client, self._subscribed.setdefault(type_url, set())
        if client is None:
            return
        for source in known - wanted.keys():
            client.set_names(type_url, source, ())
        if known and not wanted:
            self._forget_others(type_url, ())
            self.discovered.settled[type_url].clear()
        for source, (prefix, timeout) in wanted.items():
            if source in known:
                client.set_names(type_url, source, WILDCARD)
                continue
            scope = self._stats.scope(prefix)
            self._scope_gauges += [scope.gauge("all_scopes"), scope.gauge("active_scopes")]
            with self._telling_errors(type_url):
                client.subscribe(type_url, source, WILDCARD, lambda name, scope=scope: scope, timeout)  # type: ignore[misc]  # bound early
                known.add(source)

    @contextmanager
    def _telling_errors(self, type_url: str) -> Iterator[None]:
        try:
            yield
        except ConfigError as error:
            log.error("%s: %s", type_url, error)

    def follow_secrets(self) -> None:
        """Ask for the secrets of every cluster and listener that is known."""
        wanted: dict[ConfigSource, set[str]] = {}
        discovered = self.discovered.resources
        holders = (*discovered[CLUSTER].values(), *discovered[LISTENER].values())
        for resource in (*holders, *self.static_clusters.values(), *self.static_listeners.values()):
            for reference in resource.value.secret_references:
                if reference.source is not None:
                    wanted.setdefault(reference.source, set()).add(reference.name)
                    self._scopes[SECRET][reference.name] = f"sds.{reference.name}."
        self._subscribe(SECRET, wanted)

    def _subscribe(self, type_url: str, wanted: Mapping[ConfigSource, set[str]]) -> None:
        """What is known of names that are not wanted is taken off, and their statistics; those of endpoints are their cluster's."""
        client, scopes = self._client, self._scopes[type_url]
        if client is None:
            return

        def scope_of(name: str) -> Scope:
            return self._stats.scope(scopes.get(name, f"{type_url}.{name}."))

        known = self._subscribed.setdefault(type_url, set())
        by_source: dict[Source, dict[str, float]] = {source: {} for source in known}
        for config_source, names in wanted.items():
            try:
                source = self._sources.source(config_source, FieldPath("config_source"))
            except ConfigError as error:
                log.error("%s: %s", type_url, error)
                continue
            # Config sources that differ in their timeout alone are one source: a stream carries a type once.
            by_source.setdefault(source, {}).update(dict.fromkeys(names, config_source.initial_fetch_timeout))
        every = {name for names in by_source.values() for name in names}
        self._forget_others(type_url, every)
        gone = [scopes.pop(name) for name in scopes.keys() - every]
        for source, timeouts in by_source.items():
            if source in known:
                client.set_names(type_url, source, timeouts)
                continue
            try:
                client.subscribe(type_url, source, timeouts, scope_of)
            except ConfigError as error:
                log.error("%s: %s", type_url, error)
                continue
            known.add(source)
        for prefix in gone if type_url != ENDPOINT else ():
            self._stats.scope(prefix).drop()

    def _forget_others(self, type_url: str, wanted: Collection[str]) -> None:
        """The client forgets what is no longer asked for without a word; if it is asked for again, it is waited for again."""
        resources, settled = self.discovered.resources[type_url], self.discovered.settled[type_url]
        for name in [name for name in resources if name not in wanted]:
            del resources[name]
        settled.intersection_update({None, *wanted})


def _values(resources: Mapping[str, Resource]) -> dict[str, Any]:
    return {name: resource.value for name, resource in resources.items()}


def _resource(value: object, candidates: Iterable[Resource | None]) -> Resource:
    """The one of *candidates* that compiled to *value*."""
    return next(resource for resource in candidates if resource is not None and resource.value is value)
