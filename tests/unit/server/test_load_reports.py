from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from envoy.config.endpoint.v3 import load_report_pb2
from envoy.service.load_stats.v3 import lrs_pb2
from google.protobuf import json_format

from dataplane.base.address import Address, PipeAddress, SocketAddress
from dataplane.base.errors import ConfigError
from dataplane.server.load_reports import LoadReports
from dataplane.snapshot.cluster import CircuitBreakerThresholds, HealthStatus, Locality
from dataplane.upstream.facts import ClusterFacts, HostFacts

THRESHOLDS = (CircuitBreakerThresholds(), CircuitBreakerThresholds())
PIPE = PipeAddress("/run/app")


class World:
    """Clusters whose hosts did something, and a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.clusters: list[ClusterFacts] = []
        self.read: list[Iterable[str] | None] = []  # what was asked for
        self.reports = LoadReports(self._read, lambda: self.now)

    async def _read(self, names: Iterable[str] | None) -> Sequence[ClusterFacts]:
        self.read.append(names)
        return self.clusters if names is None else [each for each in self.clusters if each.name in names]

    def take(self, **wish: Any) -> float:
        return asyncio.run(self.reports.take(json_format.ParseDict(wish, lrs_pb2.LoadStatsResponse())))

    def report(self) -> list[dict[str, Any]]:
        return [json_format.MessageToDict(each) for each in asyncio.run(self.reports.report())]


def cluster(name: str, requests: int, address: Address = PIPE, dropped: int = 0) -> ClusterFacts:
    counters, gauges = {"rq_success": requests, "rq_error": 0, "rq_total": requests}, {"rq_active": 0}
    host = HostFacts(address, "", counters, gauges, "healthy", HealthStatus.UNKNOWN, 1, Locality("r", "z", "s"), 1)
    return ClusterFacts(name, name, False, THRESHOLDS, [host], "eds-" + name, dropped, dropped, "busy")


def test_a_report_names_cluster_service_locality_and_endpoints() -> None:
    world = World()
    assert world.take(clusters=["a"], load_reporting_interval="2s", report_endpoint_granularity=True) == 2.0
    world.clusters, world.now = [cluster("a", 3, dropped=2), cluster("b", 4)], 1.25
    load = {"total_successful_requests": 3, "total_issued_requests": 3}
    locality = {"locality": {"region": "r", "zone": "z", "sub_zone": "s"}, "priority": 1, **load}
    expected = {
        "cluster_name": "a",
        "cluster_service_name": "eds-a",
        "upstream_locality_stats": [
            {**locality, "upstream_endpoint_stats": [{"address": {"pipe": {"path": "/run/app"}}, **load}]},
        ],
        "total_dropped_requests": 2,
        "dropped_requests": [{"category": "busy", "dropped_count": 2}],
        "load_report_interval": "1.25s",
    }
    message = json_format.ParseDict(expected, load_report_pb2.ClusterStats())
    assert world.report() == [json_format.MessageToDict(message)]


def test_endpoints_are_told_only_to_who_asks() -> None:
    world = World()
    world.take(clusters=["a"], load_reporting_interval="1s")
    world.clusters = [cluster("a", 1, SocketAddress("10.0.0.1", 80))]
    [report] = world.report()
    assert "upstreamEndpointStats" not in report["upstreamLocalityStats"][0]


def test_among_all_clusters_a_new_one_is_reported_from_when_it_was_noticed() -> None:
    world = World()
    world.clusters = [cluster("a", 1)]
    world.take(send_all_clusters=True, load_reporting_interval="1s")
    world.clusters = [cluster("a", 1), cluster("b", 5)]
    assert [each["clusterName"] for each in world.report()] == ["a"]
    world.clusters = [cluster("a", 1), cluster("b", 7)]
    [a, b] = world.report()
    assert "upstreamLocalityStats" not in a
    assert b["upstreamLocalityStats"][0]["totalIssuedRequests"] == "2"


def test_only_clusters_that_a_server_wants_to_hear_of_are_looked_at() -> None:
    world = World()
    world.clusters = [cluster("a", 1), cluster("b", 1)]
    world.take(clusters=["b", "absent", "b"], load_reporting_interval="1s")
    assert [each["clusterName"] for each in world.report()] == ["b"]
    assert world.read == [("b", "absent")] * 2
    world.take(send_all_clusters=True, load_reporting_interval="1s")
    assert [each["clusterName"] for each in world.report()] == ["a", "b"]
    assert world.read[2:] == [None, None]


def test_a_wish_that_comes_during_a_report_is_followed_after_it() -> None:
    """Or the report would take a cluster that is wanted since for one that is not there, and the next would tell all it ever did."""
    world = World()
    world.clusters = [cluster("a", 1), cluster("b", 5)]

    async def both() -> None:
        may_read = asyncio.Event()
        read = world.reports._read

        async def slow(names: Iterable[str] | None) -> Sequence[ClusterFacts]:
            await may_read.wait()
            return await read(names)

        world.reports._read = slow
        report = asyncio.create_task(world.reports.report())
        await asyncio.sleep(0)
        world.reports._read = read
        wish = asyncio.create_task(world.reports.take(lrs_pb2.LoadStatsResponse(clusters=["b"])))
        await asyncio.sleep(0)
        may_read.set()
        await asyncio.gather(report, wish)

    world.take(clusters=["a"])
    asyncio.run(both())
    [b] = world.report()
    assert b["clusterName"] == "b"
    assert "upstreamLocalityStats" not in b


def test_an_interval_of_nothing_is_a_short_one() -> None:
    assert World().take(clusters=["a"]) == 0.05


def test_a_response_with_an_invalid_interval_changes_nothing() -> None:
    world = World()
    world.take(clusters=["a"], load_reporting_interval="1s")
    with pytest.raises(ConfigError, match="load_reporting_interval: Invalid duration"):
        world.take(clusters=["b"], load_reporting_interval="-1s")
    world.clusters = [cluster("a", 1), cluster("b", 1)]
    assert [each["clusterName"] for each in world.report()] == ["a"]
