"""What is counted by virtual cluster."""

from __future__ import annotations

from dataplane.api.upstream import StreamReset
from dataplane.resilience.retry import RetryPolicy, parse_retry_on
from dataplane.routing.route import ForwardAction, VirtualCluster
from tests.support.engine import Engine, get, route

CLUSTERS = (VirtualCluster("posts", lambda headers: headers.method == b"POST"),)


def engine_with(action: ForwardAction) -> Engine:
    return Engine(routes=[route(action=action, virtual_host="all", virtual_clusters=CLUSTERS)])


def test_requests_and_answers() -> None:
    engine = engine_with(ForwardAction(cluster="up"))
    client = engine.connect()
    client.send(get(b"/", b"content-length: 0", method=b"POST"))
    engine.up.last.respond(200, b"ok")
    assert engine.log.last.virtual_cluster_name == "posts"
    client.send(get())
    engine.up.last.respond(404)
    assert engine.log.last.virtual_cluster_name == "other"
    for name in ("posts.upstream_rq_200", "posts.upstream_rq_total", "other.upstream_rq_4xx", "other.upstream_rq_completed"):
        assert engine.counter(f"vhost.all.vcluster.{name}") == 1
    assert engine.stats.histograms["vhost.all.vcluster.posts.upstream_rq_time"].count == 1
    assert engine.counter("cluster.up.upstream_rq_completed") == 2


def test_retries_and_timeouts() -> None:
    policy = RetryPolicy(retry_on=parse_retry_on("reset"))
    engine = engine_with(ForwardAction(cluster="up", timeout=2.0, retry_policy=policy))
    client = engine.connect()
    client.send(get())
    engine.up.last.fail(StreamReset.REMOTE_RESET)
    engine.loop.advance(0.5)
    engine.up.last.respond(200)
    client.send(get())
    engine.up.last.fail(StreamReset.REMOTE_RESET)
    engine.loop.advance(0.5)
    engine.up.last.fail(StreamReset.REMOTE_RESET)
    client.send(get())
    engine.loop.advance(2.5)
    counted = {name: engine.counter(f"vhost.all.vcluster.other.upstream_rq_{name}") for name in ("retry", "timeout", "total")}
    assert counted == {"retry": 2, "timeout": 1, "total": 5}
    assert engine.counter("vhost.all.vcluster.other.upstream_rq_retry_success") == 1
    assert engine.counter("vhost.all.vcluster.other.upstream_rq_retry_limit_exceeded") == 1


def test_the_breaker_bounds_retries() -> None:
    policy = RetryPolicy(retry_on=parse_retry_on("reset"))
    engine = engine_with(ForwardAction(cluster="up", retry_policy=policy))
    engine.up.breakers(0).retries.limit = 0
    client = engine.connect()
    client.send(get())
    engine.up.last.fail(StreamReset.REMOTE_RESET)
    assert engine.counter("vhost.all.vcluster.other.upstream_rq_retry_overflow") == 1
