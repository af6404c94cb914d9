"""Counters of answers, as long as their cluster is there and no longer."""

from __future__ import annotations

from dataplane.upstream.answer_counters import AnswerCounters
from tests.support.collector import living, no_collector
from tests.support.engine import Engine, FakeCluster, get, route


def test_counters_go_with_their_cluster() -> None:
    """The manager that counted there may stay for ever."""
    engine = Engine([route(b"/", cluster="gone")])
    client = engine.connect()
    with no_collector():
        before = len(living(AnswerCounters))
        cluster = engine.clusters["gone"] = FakeCluster("gone", engine.stats)
        client.send(get())
        cluster.last.respond()
        assert engine.counter("cluster.gone.upstream_rq_200") == 1
        assert len(living(AnswerCounters)) == before + 1
        cluster.exchanges.clear()  # the fake remembers who asked
        del engine.clusters["gone"], cluster
        assert len(living(AnswerCounters)) == before
