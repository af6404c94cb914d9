"""From accepted resources to the generation in use.

Here: the one task that plans, links, and swaps generations.  Not here: what is accepted (resources), which names follow from it
(subscriptions), protocols (xds.client), what may be used already (xds.warming), compiling (compile.resource).
Order that must hold in a swap: sockets of new listeners are bound; live clusters follow and the snapshot is published in one step of the
loop; then listeners follow.  So a request never finds a route whose cluster is not there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Protocol

from dataplane.compile.link import link
from dataplane.server.resources import TYPES, Discovered, InUse, Resource, Static, resources_of, values_of
from dataplane.server.subscriptions import Subscriptions
from dataplane.snapshot.secret import SecretValue, static_key
from dataplane.xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SCOPED_ROUTE, SECRET
from dataplane.xds.warming import Accepted, Plan, Warming

if TYPE_CHECKING:
    from dataplane.observe.stats import StatsStore
    from dataplane.server.sources import Sources
    from dataplane.snapshot.cluster import Cluster
    from dataplane.snapshot.listener import Listener
    from dataplane.snapshot.snapshot import Holder, Snapshot
    from dataplane.upstream.cluster_manager import ClusterManager
    from dataplane.xds.client import XdsClient

log = logging.getLogger("config")


class Listeners(Protocol):
    """What follows the listeners of a generation: listener.manager.ListenerManager, or workers.sockets.KeptSockets for others."""

    def bind(self, listeners: Mapping[str, Listener]) -> dict[str, OSError]: ...

    async def apply(self, previous: Snapshot, current: Snapshot) -> None: ...


class Follower(Protocol):
    """Somebody outside this process who lives by the same generations.  in_use: what the snapshot *current* is made of."""

    def follow(self, previous: Snapshot, current: Snapshot, in_use: InUse) -> None: ...


class Configuration:
    """Implements xds.client.UpdateListener.  Lives in one event loop."""

    def __init__(
        self,
        holder: Holder,
        clusters: ClusterManager,
        listeners: Listeners,
        sources: Sources,
        stats: StatsStore,
        static: Static,
        warming: Warming | None = None,
        now: Callable[[], float] = time.monotonic,
        follower: Follower | None = None,
    ) -> None:
        self._holder = holder
        self._clusters = clusters
        self._listeners = listeners
        self._warming = warming or Warming()
        self._now = now
        self._follower = follower
        self._changed = asyncio.Event()
        self._changed.set()
        self._published = asyncio.Condition()
        self._timer: asyncio.TimerHandle | None = None
        self._serving = False
        self._rounds_begun = self._rounds_done = 0
        self.static = static
        self.discovered = Discovered()
        self.subscriptions = Subscriptions(static, self.discovered, sources, stats)
        self.in_use: dict[str, dict[str, Resource]] = {type_url: {} for type_url in TYPES}
        self.plan: Plan | None = None
        self.on_ready: Callable[[], None] | None = None  # everything that was accepted is in use
        self.not_bound: Mapping[str, OSError] = {}
        self._discovered_types: frozenset[str] = frozenset()
        self._generation = stats.gauge("pointsman.generation")
        self._held = stats.gauge("pointsman.held_clusters")
        self._waiting = stats.gauge("pointsman.waiting_resources")

    # -- what the assembly and the xDS client tell ---------------------------------------------------------------------

    def follow(self, client: XdsClient, discovered_types: Collection[str]) -> None:
        """Names that follow from resources are subscribed to there.  discovered_types: those that have a wildcard subscription."""
        self.subscriptions.begin(client)
        self._discovered_types = frozenset(discovered_types)

    def on_update(self, type_url: str, changed: Mapping[str, object], removed: Collection[str], version_info: str) -> None:
        """xds.client.UpdateListener.  The values are Resources."""
        if type_url not in self.discovered.resources:
            return
        self.discovered.take(type_url, changed, removed, version_info, time.time())
        log.info("%s: %d added or changed, %d removed, version %s", type_url, len(changed), len(removed), version_info)
        self.subscriptions.follow(type_url)
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
        clusters = {**discovered.values(CLUSTER), **values_of(self.static.clusters)}
        listeners = {**discovered.values(LISTENER), **values_of(self.static.listeners)} if self._serving else {}
        return Accepted(
            listeners=listeners,
            route_configurations=discovered.values(ROUTE),
            clusters=self._resolved(clusters),
            assignments=discovered.values(ENDPOINT),
            cds_settled=None in settled[CLUSTER] or CLUSTER not in self._discovered_types,
            settled_assignments=discovered.settled_names(ENDPOINT),
            settled_route_configurations=discovered.settled_names(ROUTE),
            secrets=self.secrets,
            settled_secrets=discovered.settled_names(SECRET),
            scopes=discovered.values(SCOPED_ROUTE),
            srds_settled=None in settled[SCOPED_ROUTE] or not self.subscriptions.asks_for(SCOPED_ROUTE),
        )

    @property
    def secrets(self) -> dict[str, SecretValue]:
        """All that are known, by SecretReference.key."""
        return {**values_of(self._static_secrets), **self.discovered.values(SECRET)}

    @property
    def _static_secrets(self) -> dict[str, Resource]:
        return {static_key(name): resource for name, resource in self.static.secrets.items()}

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
        self._note_used(CLUSTER, current.clusters, self.static.clusters, self.discovered.resources[CLUSTER])
        self._note_used(LISTENER, current.listeners, self.static.listeners, self.discovered.resources[LISTENER])
        self._note_used(ROUTE, current.route_configurations, self.discovered.resources[ROUTE])
        self._note_used(SCOPED_ROUTE, current.scopes, self.discovered.resources[SCOPED_ROUTE])
        self.subscriptions.show_scopes(len(current.scopes))
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
        known = self.discovered.resources[ENDPOINT]
        endpoints = {name: current.clusters[name].eds_service_name for name in current.assignments}
        by_cluster = {name: known[service] for name, service in endpoints.items() if service in known}
        self._note_used(ENDPOINT, current.assignments, by_cluster)
        self._note_used(SECRET, current.secrets, self._static_secrets, self.discovered.resources[SECRET])

    def _note_used(self, type_url: str, values: Mapping[str, object], *known: Mapping[str, Resource]) -> None:
        self.in_use[type_url] = resources_of(values, *known, self.in_use[type_url])
