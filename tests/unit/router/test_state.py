"""What the requests of one connection manager share."""

from __future__ import annotations

import gc

from dataplane.router.config import RouterConfig
from dataplane.router.counters import AnswerCounters
from dataplane.router.state import BoundRouter
from tests.support.engine import Engine, FakeCluster


def known_counters() -> int:
    return sum(type(each) is AnswerCounters for each in gc.get_objects())


def test_counters_of_clusters_that_come_and_go_are_let_go() -> None:
    engine = Engine()
    router = BoundRouter(RouterConfig(), engine.server, engine.stats.scope("http.test."))
    before = known_counters()
    for number in range(1000):
        name = f"cluster-{number}"
        cluster = engine.clusters[name] = FakeCluster(name, engine.stats)
        router.counters_of(cluster).count(200, False)
        del engine.clusters[name]
    assert known_counters() - before < 100


def test_counters_of_clusters_that_stay_are_kept() -> None:
    engine = Engine()
    router = BoundRouter(RouterConfig(), engine.server, engine.stats.scope("http.test."))
    clusters = [FakeCluster(f"cluster-{number}", engine.stats) for number in range(300)]
    engine.clusters.update({cluster.name: cluster for cluster in clusters})
    counters = [router.counters_of(cluster) for cluster in clusters]
    assert [router.counters_of(cluster) for cluster in clusters] == counters
