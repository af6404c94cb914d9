"""Loads of clusters for a load reporting service: from what a server wants to hear to what it is told.

Here: whose numbers are asked for, and the messages.  Not here: the stream (xds.load_stream), the arithmetic (upstream.load_tally).
Envoy: LoadStatsReporterImpl; config.endpoint.v3.ClusterStats.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from envoy.config.endpoint.v3.load_report_pb2 import ClusterStats

from dataplane.base.errors import FieldPath
from dataplane.compile.units import seconds_or
from dataplane.upstream.load_tally import LoadTally
from dataplane.xds.address_message import write_address

if TYPE_CHECKING:
    from dataplane.upstream.facts import ClusterFacts
    from dataplane.upstream.load_tally import ClusterLoad, Load, LocalityLoad

# A server that asks for reports without a pause gets them with one.
_SHORTEST_INTERVAL: Final = 0.05

ReadClusters = Callable[[Iterable[str] | None], Awaitable[Sequence["ClusterFacts"]]]
"""Names, or None for all clusters → those of them that there are."""


class LoadReports:
    """Implements xds.load_stream.LoadDelegate.  read: what all processes together know of their clusters now."""

    def __init__(self, read: ReadClusters, clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._tally = LoadTally()
        self._names: tuple[str, ...] | None = ()  # None: all
        self._by_endpoint = False
        self._turn = asyncio.Lock()  # a report must not end with clusters that were read for other names than those wanted now

    async def take(self, wish: Any) -> float:
        interval = seconds_or(wish, "load_reporting_interval", 0.0, FieldPath())
        names = None if wish.send_all_clusters else tuple(dict.fromkeys(wish.clusters))
        async with self._turn:
            clusters = await self._clusters(names)
            self._names = names
            self._by_endpoint = wish.report_endpoint_granularity
            self._follow(clusters)
        return max(interval, _SHORTEST_INTERVAL)

    async def report(self) -> list[ClusterStats]:
        async with self._turn:
            clusters = await self._clusters(self._names)
            loads = self._tally.report(clusters, self._clock())
            self._follow(clusters)
        return [_cluster_stats(load, self._by_endpoint) for load in loads]

    def _follow(self, clusters: Mapping[str, ClusterFacts]) -> None:
        """Of a cluster that is new among all, the time before it was noticed is not reported."""
        self._tally.follow(clusters if self._names is None else self._names, clusters, self._clock())

    async def _clusters(self, names: Iterable[str] | None) -> dict[str, ClusterFacts]:
        return {cluster.name: cluster for cluster in await self._read(names)}


def _cluster_stats(load: ClusterLoad, by_endpoint: bool) -> ClusterStats:
    stats: Any = ClusterStats(cluster_name=load.name, cluster_service_name=load.service_name)
    for locality in load.localities:
        _write_locality(locality, by_endpoint, stats.upstream_locality_stats.add())
    stats.total_dropped_requests = load.dropped
    if load.drop_overload:
        stats.dropped_requests.add(category=load.drop_category, dropped_count=load.drop_overload)
    stats.load_report_interval.FromMicroseconds(round(load.seconds * 1e6))
    return stats


def _write_locality(locality: LocalityLoad, by_endpoint: bool, stats: Any) -> None:
    place = stats.locality
    place.region, place.zone, place.sub_zone = locality.locality.region, locality.locality.zone, locality.locality.sub_zone
    place.SetInParent()
    stats.priority = locality.priority
    _write_load(locality.load, stats)
    if by_endpoint:
        for address, load in locality.hosts:
            endpoint = stats.upstream_endpoint_stats.add()
            write_address(address, endpoint.address)
            _write_load(load, endpoint)


def _write_load(load: Load, stats: Any) -> None:
    stats.total_successful_requests = load.succeeded
    stats.total_error_requests = load.failed
    stats.total_issued_requests = load.issued
    stats.total_requests_in_progress = load.active
