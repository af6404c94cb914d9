"""Policies of clusters, in the place of those of routes."""

from __future__ import annotations

import pytest

from dataplane.resilience.retry import RetryPolicy, parse_retry_on
from dataplane.routing.mirror import MirrorPolicy
from dataplane.routing.route import ForwardAction
from dataplane.semantics.header_map import ResponseHeaders
from dataplane.snapshot.http_policies import HttpPolicies
from tests.support.engine import Engine, FakeCluster, get, route

ON_5XX = RetryPolicy(retry_on=parse_retry_on("5xx"))


class Statuses:
    """A monitor that keeps what it is told.  Implements api.upstream.HostMonitor."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def on_connected(self) -> None: ...

    def on_status(self, status: int) -> None:
        self.seen.append(status)

    def on_timeout(self) -> None: ...

    def on_failure(self) -> None: ...


def monitored(policies: HttpPolicies | None) -> tuple[Engine, Statuses]:
    engine = Engine()
    engine.up.policies = policies
    engine.up.host.monitor = monitor = Statuses()
    return engine, monitor


def test_a_cluster_retries_what_its_route_does_not() -> None:
    engine = Engine(routes=[route(action=ForwardAction(cluster="up", retry_policy=RetryPolicy()))])
    engine.up.policies = HttpPolicies(retry=ON_5XX)
    client = engine.connect()
    client.send(get())
    engine.up.last.respond(503)
    engine.loop.advance(1)
    engine.up.last.respond(200)
    assert client.take_response()[0] == 200
    assert len(engine.up.exchanges) == 2


def test_a_cluster_retries_nothing_although_its_route_does() -> None:
    engine = Engine(routes=[route(action=ForwardAction(cluster="up", retry_policy=ON_5XX))])
    engine.up.policies = HttpPolicies(retry=RetryPolicy())
    client = engine.connect()
    client.send(get())
    engine.up.last.respond(503)
    assert client.take_response()[0] == 503


def test_a_cluster_is_mirrored_elsewhere_than_its_route() -> None:
    action = ForwardAction(cluster="up", mirrors=(MirrorPolicy("of_route"),))
    engine = Engine(routes=[route(action=action)])
    engine.up.policies = HttpPolicies(mirrors=(MirrorPolicy("shadow"),))
    shadow, of_route = (FakeCluster(name, engine.stats) for name in ("shadow", "of_route"))
    engine.clusters |= {"shadow": shadow, "of_route": of_route}
    engine.connect().send(get())
    assert (len(shadow.exchanges), len(of_route.exchanges)) == (1, 0)


def test_clusters_that_mirror_to_each_other_come_to_an_end() -> None:
    engine = Engine()
    shadow = engine.clusters["shadow"] = FakeCluster("shadow", engine.stats)
    engine.up.policies = HttpPolicies(mirrors=(MirrorPolicy("shadow"),))
    shadow.policies = HttpPolicies(mirrors=(MirrorPolicy("up"), MirrorPolicy("shadow")))
    engine.connect().send(get())
    # The request, the copy that goes to `shadow`, and the copy of this one that goes to `up`.
    assert (len(engine.up.exchanges), len(shadow.exchanges)) == (2, 1)


@pytest.mark.parametrize(
    ("status", "policies", "seen"),
    [
        (204, None, 204),
        (503, None, 503),
        (200, HttpPolicies(is_error=lambda response: b"x-error" in response), 500),
        (503, HttpPolicies(is_error=lambda response: b"x-other" in response), 200),
        (503, HttpPolicies(retry=RetryPolicy()), 503),
    ],
)
def test_what_a_monitor_is_told(status: int, policies: HttpPolicies | None, seen: int) -> None:
    engine, monitor = monitored(policies)
    engine.connect().send(get())
    engine.up.last.respond(status, b"", (b"x-error", b"1"))
    assert monitor.seen == [seen]


def test_what_a_monitor_is_told_of_an_answer_that_is_tried_again() -> None:
    engine, monitor = monitored(HttpPolicies(retry=ON_5XX, is_error=_is_unavailable))
    engine.connect().send(get())
    engine.up.last.respond(503)
    engine.loop.advance(1)
    engine.up.last.respond(500)
    assert monitor.seen == [503, 200]


def _is_unavailable(response: ResponseHeaders) -> bool:
    return response.status == 503


@pytest.mark.parametrize(("content_type", "seen"), [(b"application/grpc", 503), (b"text/plain", 200)])
def test_a_monitor_is_told_what_a_grpc_status_means(content_type: bytes, seen: int) -> None:
    engine, monitor = monitored(None)
    engine.connect().send(get(b"/", b"content-type: " + content_type))
    engine.up.last.respond(200, b"", (b"grpc-status", b"14"))
    assert monitor.seen == [seen]
