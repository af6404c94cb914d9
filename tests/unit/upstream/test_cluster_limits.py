"""What a live cluster tells the router of its limits, and that it follows its configuration."""

from __future__ import annotations

import asyncio
from types import MappingProxyType

from dataplane.base.deadlines import DeadlineWheel
from dataplane.observe.stats import StatsStore
from dataplane.snapshot.cluster import Cluster, DiscoveryType, HttpProtocolOptions, LoadAssignment
from dataplane.snapshot.snapshot import EMPTY, Holder, Snapshot
from dataplane.upstream.cluster import UpstreamCluster
from dataplane.upstream.cluster_manager import ClusterManager


def test_limits_follow_the_configuration() -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        manager = ClusterManager(Holder(), StatsStore(), loop, DeadlineWheel(loop.time, loop.call_at))
        current = EMPTY

        def apply(cluster: Cluster, assignment: LoadAssignment) -> UpstreamCluster:
            nonlocal current
            clusters = MappingProxyType({"c": cluster})
            following = Snapshot(current.generation + 1, EMPTY.listeners, EMPTY.route_configurations, clusters, {"c": assignment})
            manager.apply(current, following)
            current = following
            live = manager.get("c")
            assert live is not None
            return live

        eds = Cluster("c", DiscoveryType.EDS, eds_service_name="c")
        live = apply(eds, LoadAssignment("c", ()))
        assert (live.drop_overload, live.max_stream_duration) == (0.0, 0.0)
        limited = Cluster("c", DiscoveryType.EDS, eds_service_name="c", http=HttpProtocolOptions(max_stream_duration=2.0))
        live = apply(limited, LoadAssignment("c", (), drop_overload=0.5))
        assert (live.drop_overload, live.max_stream_duration) == (0.5, 2.0)
        manager.stop()

    asyncio.run(test())
