"""From a cluster's configuration to the picker over its hosts.  Here: names; how hosts are chosen is in balancing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dataplane.balancing import policies
from dataplane.balancing.balancer import BalancerSettings, build
from dataplane.balancing.by_priority import ByPriority
from dataplane.balancing.hashing import KeptTables, Table, TableMaker, Weighted, build_hashed
from dataplane.balancing.hosts import HostSet
from dataplane.balancing.maglev import Maglev, MaglevTable
from dataplane.balancing.policies import Chance, Picker, PickerMaker
from dataplane.balancing.priority import spread
from dataplane.balancing.ring_hash import Ring, RingHash
from dataplane.balancing.subset import Subsets, SubsetStats
from dataplane.snapshot.cluster import Cluster, LeastRequest
from dataplane.upstream.host import UpstreamHost

if TYPE_CHECKING:
    from dataplane.observe.stats import Scope
    from dataplane.upstream.cluster_stats import ClusterStats

Build = Callable[[Sequence[HostSet[UpstreamHost]]], Picker[UpstreamHost]]


class Balancers:
    """Makes the pickers of one cluster, one after the other, and keeps what is counted across them."""

    __slots__ = ("_chance", "_stats", "_subset_stats", "_tables")

    def __init__(self, stats: ClusterStats, chance: Chance) -> None:
        self._stats = stats
        self._chance = chance
        self._subset_stats: SubsetStats | None = None
        self._tables: KeptTables[UpstreamHost] = KeptTables()

    def picker(self, cluster: Cluster, sets: Sequence[HostSet[UpstreamHost]]) -> Picker[UpstreamHost]:
        """Over the hosts as they stand."""
        return self._picker(cluster, sets, _settings(cluster))

    def single_priorities(self, cluster: Cluster, sets: Sequence[HostSet[UpstreamHost]]) -> ByPriority[UpstreamHost]:
        """Over the same hosts, for requests that choose the priority.  Whether one is in panic depends on all of them."""
        settings = _settings(cluster)
        panic = spread(sets, settings.panic_threshold).panic if sets else ()
        calm = replace(settings, panic_threshold=0)

        def make(priority: int) -> Picker[UpstreamHost]:
            return self._picker(cluster, sets[priority : priority + 1], settings if panic[priority] else calm)

        return ByPriority(sets, make, self._chance)

    def _picker(
        self, cluster: Cluster, sets: Sequence[HostSet[UpstreamHost]], settings: BalancerSettings
    ) -> Picker[UpstreamHost]:
        build_one = self._builder(cluster, settings)
        if cluster.subsets is None:
            return build_one(sets)
        if self._subset_stats is None:
            self._subset_stats = SubsetStats(self._stats.scope)
        return Subsets(sets, cluster.subsets, build_one, self._subset_stats).pick

    def _builder(self, cluster: Cluster, how: BalancerSettings) -> Build:
        chance, panics = self._chance, self._stats.membership.lb_healthy_panic
        if cluster.lb_policy in ("RING_HASH", "MAGLEV"):
            make_table = _table_maker(cluster, self._tables, self._stats.scope)
            return lambda sets: build_hashed(sets, make_table, how, chance, panics)
        make = policy(cluster, chance)
        return lambda sets: build(sets, make, how, chance, panics)


def asks_requests(cluster: Cluster) -> bool:
    """Whether its hosts are chosen by what a request says."""
    return cluster.subsets is not None or cluster.lb_policy in ("RING_HASH", "MAGLEV")


def policy(cluster: Cluster, chance: Chance) -> PickerMaker[UpstreamHost]:
    """The policy that *cluster* names.  Compile has refused the names that are not here."""
    if cluster.lb_policy == "LEAST_REQUEST":
        config = cluster.lb_config if isinstance(cluster.lb_config, LeastRequest) else LeastRequest()
        return policies.least_request(chance, config.choice_count, config.active_request_bias)
    if cluster.lb_policy == "RANDOM":
        return policies.random(chance)
    assert cluster.lb_policy == "ROUND_ROBIN", cluster.lb_policy
    return policies.round_robin(chance)


def _settings(cluster: Cluster) -> BalancerSettings:
    return BalancerSettings(round(cluster.panic_threshold * 100), cluster.locality_weighted, cluster.fail_traffic_on_panic)


def _table_maker(cluster: Cluster, kept: KeptTables[UpstreamHost], scope: Scope) -> TableMaker[UpstreamHost]:
    """Tables show their sizes in the cluster's statistics, as Envoy's do."""
    config = cluster.lb_config

    def make_ring(weighted: Weighted[UpstreamHost]) -> Table[UpstreamHost]:
        assert isinstance(config, RingHash)
        ring = kept.table(weighted, config, lambda weighted: Ring(weighted, config))
        assert isinstance(ring, Ring)
        scope.gauge("ring_hash_lb.size").set(ring.size)
        least, most = ring.places_per_host
        scope.gauge("ring_hash_lb.min_hashes_per_host").set(least)
        scope.gauge("ring_hash_lb.max_hashes_per_host").set(most)
        return ring

    def make_maglev(weighted: Weighted[UpstreamHost]) -> Table[UpstreamHost]:
        assert isinstance(config, Maglev)
        table = kept.table(weighted, config, lambda weighted: MaglevTable(weighted, config))
        assert isinstance(table, MaglevTable)
        least, most = table.entries_per_host
        scope.gauge("maglev_lb.min_entries_per_host").set(least)
        scope.gauge("maglev_lb.max_entries_per_host").set(most)
        return table

    return make_ring if cluster.lb_policy == "RING_HASH" else make_maglev
