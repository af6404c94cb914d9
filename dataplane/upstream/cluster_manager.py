"""All live clusters: they follow the generations, and DNS.

Here: which clusters live, with which endpoints.  Not here: one cluster (cluster), resolving (dns_discovery), deciding when a generation is
used (server).  A cluster that left the configuration lives on for the requests that hold it.
A live cluster costs a quarter of a millisecond to make, most of it stats; of thousands that come at once, each is made when it is first
asked for, the rest in slices beside the traffic.
Envoy: ClusterManagerImpl; stats cluster_manager.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from dataplane.api.overload import NEW_UPSTREAM_CONNECTION
from dataplane.base.write_queue import WriteQueue
from dataplane.snapshot.cluster import DiscoveryType
from dataplane.snapshot.diff import diff
from dataplane.snapshot.snapshot import EMPTY
from dataplane.upstream.cluster import UpstreamCluster
from dataplane.upstream.cluster_stats import ManagerStats, MembershipStats
from dataplane.upstream.dns_discovery import DnsDiscovery, with_addresses
from dataplane.upstream.findings import Findings, FindingsSink, ToldNames
from dataplane.upstream.internal_connection import InternalListeners
from dataplane.upstream.outlier_log import OutlierLog
from dataplane.upstream.resolver import Resolver
from dataplane.upstream.runtime import UpstreamRuntime

if TYPE_CHECKING:
    import asyncio

    from dataplane.api.overload import OverloadLevels
    from dataplane.base.address import Address
    from dataplane.base.counts import SharedCounts
    from dataplane.base.deadlines import DeadlineWheel
    from dataplane.observe.log_file import LogFile
    from dataplane.observe.stats import StatsStore
    from dataplane.snapshot.cluster import Cluster, LoadAssignment
    from dataplane.snapshot.snapshot import Holder, Snapshot
    from dataplane.upstream.facts import ClusterFacts
    from dataplane.upstream.outlier_reports import OutlierReport

# As many new clusters are made at once; of more, the rest waits.
_AT_ONCE = 32
_SLICE_CLUSTERS = 4
_SLICE_PAUSE = 0.002

_DNS = (DiscoveryType.STRICT_DNS, DiscoveryType.LOGICAL_DNS)


class ClusterManager:
    """Live clusters by name.  One per event loop.

    findings: names and checks are another process's work.  sink: who else is told of those of this process.
    shared: what other processes count together with this one.  outlier_log: of ejections.
    """

    def __init__(
        self,
        holder: Holder,
        stats: StatsStore,
        loop: asyncio.AbstractEventLoop,
        deadlines: DeadlineWheel,
        findings: Findings | None = None,
        sink: FindingsSink | None = None,
        shared: SharedCounts | None = None,
        overload: OverloadLevels | None = None,
        outlier_log: LogFile | None = None,
    ) -> None:
        self._holder = holder
        self._stats = stats
        self._manager_stats = ManagerStats(stats.scope("cluster_manager."))
        self.internal_listeners = InternalListeners()
        self._runtime = UpstreamRuntime(
            loop,
            deadlines,
            stats,
            random.random,
            itertools.count(1).__next__,
            lambda: holder.current.secrets,
            WriteQueue(loop.call_soon),
            findings,
            sink,
            self.internal_listeners,
            shared,
            None if overload is None else overload.points.get(NEW_UPSTREAM_CONNECTION),
            None if outlier_log is None else OutlierLog(outlier_log),
        )
        self._clusters: dict[str, UpstreamCluster] = {}
        self._retiring: set[UpstreamCluster] = set()
        self._stat_names: Counter[str] = Counter()  # how many clusters, live or retiring, count under a name
        self._discoveries: dict[str, DnsDiscovery | ToldNames] = {}  # of live clusters
        self._prepared: dict[str, DnsDiscovery] = {}  # of clusters that are not in a generation yet
        self._resolvers: dict[tuple[Address, ...], Resolver] = {}
        self._unmade: dict[str, Cluster] = {}  # part of the generation, not asked for yet
        self._current = EMPTY

    def get(self, name: str) -> UpstreamCluster | None:
        found = self._clusters.get(name)
        if found is None and name in self._unmade:
            return self._make(self._unmade.pop(name))
        return found

    # ---- generations

    def prepare(self, cluster: Cluster, on_ready: Callable[[], None]) -> bool:
        """Whether *cluster* may be part of a generation now.  If not, *on_ready* is called when that may have changed.

        A cluster with names waits for their first answer; one that is live already with the same names does not.
        """
        if cluster.discovery not in _DNS or not cluster.wait_for_warm_on_init:
            return True
        live = self._discoveries.get(cluster.name)
        if live is not None and live.resolved is not None and _same_names(live.config, cluster):
            return True
        prepared = self._prepared.get(cluster.name)
        if prepared is None or not _same_names(prepared.config, cluster):
            if prepared is not None:
                prepared.stop()
            prepared = self._prepared[cluster.name] = self._discovery(cluster, lambda assignment: on_ready())
            prepared.start()
            self._manager_stats.warming_clusters.set(len(self._prepared))
        return prepared.resolved is not None

    def apply(self, previous: Snapshot, current: Snapshot) -> None:
        """Follow from one generation to the next.  Done before the new one is published."""
        self._current = current
        clusters = diff(previous.clusters, current.clusters)
        for name in clusters.removed:
            self._remove(name)
        self._add(clusters.added)
        for name, config in clusters.changed.items():
            self._change(name, config)
        assignments = diff(previous.assignments, current.assignments)
        for name, assignment in itertools.chain(assignments.added.items(), assignments.changed.items()):
            cluster = self._clusters.get(name)
            if cluster is not None and cluster.config.discovery is DiscoveryType.EDS and name not in clusters.added:
                cluster.assign(assignment)
        self._manager_stats.active_clusters.set(len(self._clusters) + len(self._unmade))
        self._manager_stats.warming_clusters.set(len(self._prepared))

    def _add(self, added: Mapping[str, Cluster]) -> None:
        self._manager_stats.cluster_added.inc(len(added))
        idle = not self._unmade
        for made, config in enumerate(added.values()):
            if made < _AT_ONCE or config.discovery in _DNS:
                self._make(config)
            else:
                self._unmade[config.name] = config
        if idle and self._unmade:
            self._runtime.loop.call_soon(self._make_some)

    def _make_some(self) -> None:
        """A slice of the clusters that nobody asked for yet, so that their stats and hosts can be seen."""
        for _ in range(min(_SLICE_CLUSTERS, len(self._unmade))):
            self._make(self._unmade.pop(next(iter(self._unmade))))
        if self._unmade:
            self._runtime.loop.call_later(_SLICE_PAUSE, self._make_some)

    def _make(self, config: Cluster) -> UpstreamCluster:
        self._stat_names[config.stat_name] += 1
        cluster = self._clusters[config.name] = UpstreamCluster(config, self._runtime)
        self._find_hosts(cluster)
        return cluster

    def _change(self, name: str, config: Cluster) -> None:
        self._manager_stats.cluster_modified.inc()
        if name in self._unmade:
            self._unmade[name] = config
            return
        cluster = self._clusters[name]
        before = cluster.config
        if before.stat_name != config.stat_name or (before.original_dst is None) != (config.original_dst is None):
            self._stop_discovery(name)
            self._make(config)
            self._retire(cluster)
            return
        cluster.configure(config)
        if not _same_names(before, config):
            self._stop_discovery(name)
            self._find_hosts(cluster)

    def _remove(self, name: str) -> None:
        self._manager_stats.cluster_removed.inc()
        self._stop_discovery(name)
        prepared = self._prepared.pop(name, None)
        if prepared is not None:
            prepared.stop()
        if self._unmade.pop(name, None) is None:
            self._retire(self._clusters.pop(name))

    def _retire(self, cluster: UpstreamCluster) -> None:
        self._retiring.add(cluster)
        cluster.retire(self._on_retired)

    def _on_retired(self, cluster: UpstreamCluster) -> None:
        self._retiring.discard(cluster)
        self._stat_names[cluster.stat_name] -= 1
        if not self._stat_names[cluster.stat_name]:
            del self._stat_names[cluster.stat_name]
            cluster.stats.scope.drop()

    # ---- endpoints

    def _find_hosts(self, cluster: UpstreamCluster) -> None:
        config = cluster.config
        if config.discovery in _DNS:
            self._follow_dns(cluster)
        elif config.discovery is DiscoveryType.EDS:
            assignment = self._current.assignments.get(cluster.name)
            if assignment is not None:
                cluster.assign(assignment)
        elif config.load_assignment is not None:
            cluster.assign(config.load_assignment)

    def _follow_dns(self, cluster: UpstreamCluster) -> None:
        prepared = self._prepared.pop(cluster.name, None)
        if prepared is not None and _same_names(prepared.config, cluster.config):
            prepared.hand_over(cluster.assign)
            self._discoveries[cluster.name] = prepared
            return
        if prepared is not None:
            prepared.stop()
        discovery = self._discoveries[cluster.name] = self._finder(cluster)
        discovery.start()

    def _finder(self, cluster: UpstreamCluster) -> DnsDiscovery | ToldNames:
        findings = self._runtime.findings
        if findings is None:
            return self._discovery(cluster.config, cluster.assign)
        return ToldNames(cluster.config, findings, with_addresses, cluster.assign)

    def _publish_names(self, name: str) -> None:
        """The answers for what is in use and for what will be."""
        known = (self._discoveries.get(name), self._prepared.get(name))
        answers = [each.answers for each in known if isinstance(each, DnsDiscovery)]
        assert self._runtime.sink is not None
        self._runtime.sink.names(name, {host: addresses for each in answers for host, addresses in each.items()})

    def _discovery(self, config: Cluster, on_update: Callable[[LoadAssignment], None]) -> DnsDiscovery:
        servers = config.dns.resolvers
        resolver = self._resolvers.get(servers)
        if resolver is None:
            resolver = self._resolvers[servers] = Resolver(self._runtime.loop, servers)
        stats = MembershipStats(self._stats.scope(f"cluster.{config.stat_name}."))
        publish = partial(self._publish_names, config.name) if self._runtime.sink is not None else None
        return DnsDiscovery(config, resolver, self._runtime.deadlines, self._runtime.chance, stats, on_update, publish)

    def _stop_discovery(self, name: str) -> None:
        discovery = self._discoveries.pop(name, None)
        if discovery is not None:
            discovery.stop()

    # ---- the rest

    def make_apart(self, config: Cluster) -> UpstreamCluster:
        """A live cluster that no request finds by its name; it goes with `retire`.  config: has its endpoints in itself."""
        self._stat_names[config.stat_name] += 1
        cluster = UpstreamCluster(config, replace(self._runtime, sink=None, shared=None))
        if config.load_assignment is not None:
            cluster.assign(config.load_assignment)
        return cluster

    def retire(self, cluster: UpstreamCluster) -> None:
        """Let go of a cluster that was made apart."""
        self._retire(cluster)

    def take_outliers(self, report: OutlierReport) -> None:
        """What another process has seen of a cluster's hosts."""
        cluster = self._clusters.get(report.cluster)
        if cluster is not None:
            cluster.take_outliers(report)

    def show_breakers(self) -> None:
        """Bring the gauges of breakers up to date, where several processes share them."""
        for cluster in self._clusters.values():
            for priority in (0, 1):
                cluster.breakers(priority).show()

    def facts(self, names: Iterable[str] | None = None) -> list[ClusterFacts]:
        """Of those clusters of these names that there are; None: of every cluster, in no particular order."""
        wanted = (*self._clusters, *self._unmade) if names is None else names
        return [cluster.facts() for name in wanted if (cluster := self.get(name)) is not None]

    def stop(self) -> None:
        """The process ends: stop asking, close everything."""
        self._unmade.clear()
        discoveries: Iterable[DnsDiscovery | ToldNames] = (*self._discoveries.values(), *self._prepared.values())
        for discovery in discoveries:
            discovery.stop()
        for cluster in (*self._clusters.values(), *self._retiring):
            cluster.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} clusters={len(self._clusters)} retiring={len(self._retiring)}>"


def _same_names(one: Cluster, other: Cluster) -> bool:
    """Whether both find the same hosts in the same way."""
    return one.discovery is other.discovery and one.load_assignment == other.load_assignment and one.dns == other.dns
