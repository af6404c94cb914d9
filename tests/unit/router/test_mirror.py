"""Copies of requests: they go where they shall, and never disturb the request they were made from."""

from __future__ import annotations

from dataplane.api.upstream import PoolFailure, StreamReset
from dataplane.resilience.retry import RetryPolicy, parse_retry_on
from dataplane.routing.mirror import MirrorPolicy
from dataplane.routing.route import ForwardAction
from dataplane.semantics.header_map import HeaderMap, ResponseHeaders
from tests.support.engine import Client, Engine, FakeCluster, get, route

MIRRORED = ForwardAction(cluster="up", timeout=2.0, mirrors=(MirrorPolicy("shadow"),))


def mirrored(action: ForwardAction = MIRRORED, **listener_settings: object) -> tuple[Engine, FakeCluster, Client]:
    engine = Engine(routes=[route(action=action)], listener_settings=listener_settings)
    shadow = engine.clusters["shadow"] = FakeCluster("shadow", engine.stats)
    return engine, shadow, engine.connect()


def upload(length: int, *pieces: bytes) -> bytes:
    return get(b"/", b"content-length: %d" % length, method=b"POST") + b"".join(pieces)


def test_a_copy_says_what_the_upstream_is_told_and_who_asks() -> None:
    engine, shadow, client = mirrored()
    client.send(get(b"/a", b"x-a: b"))
    head = shadow.last.headers
    assert head is not None
    assert (head.method, head.path, head.authority) == (b"GET", b"/a", b"h.test-shadow")
    assert shadow.last.fields == [*engine.up.last.fields, (b"x-envoy-internal", b"true"), (b"x-forwarded-for", b"192.0.2.1")]
    assert shadow.last.ended


def test_what_a_copy_is_answered_is_counted_and_read_by_nobody() -> None:
    engine, shadow, client = mirrored()
    client.send(get())
    shadow.last.respond(503, b"bad")
    assert client.take() == b""
    engine.up.last.respond(200, b"good")
    assert client.take_response()[::2] == (200, b"good")
    assert engine.counter("cluster.shadow.internal.upstream_rq_503") == 1
    assert engine.counter("http.async-client.rq_total") == 1
    assert engine.counter("http.test.rq_total") == 1
    assert len(engine.log.entries) == 1


def test_a_copy_that_is_complete_outlives_its_request_up_to_its_timeout() -> None:
    engine, shadow, client = mirrored()
    client.send(get())
    engine.up.last.respond(200)
    client.take()
    client.transport.close()
    assert not shadow.last.was_reset
    engine.loop.advance(2.1)
    assert shadow.last.was_reset
    assert engine.counter("cluster.shadow.upstream_rq_timeout") == 1


def test_the_body_goes_along_piece_by_piece() -> None:
    engine, shadow, client = mirrored()
    client.send(upload(6, b"abc"))
    assert (shadow.last.body, shadow.last.ended) == (b"abc", False)
    client.send(b"def")
    assert (shadow.last.body, shadow.last.ended) == (b"abcdef", True)
    engine.loop.advance(2.1)
    assert shadow.last.was_reset


def test_trailers_go_along() -> None:
    _, shadow, client = mirrored()
    stream = b"transfer-encoding: chunked"
    client.send(get(b"/", stream, method=b"POST") + b"3\r\nabc\r\n")
    client.send(b"0\r\n\r\n")
    assert (shadow.last.body, shadow.last.ended) == (b"abc", True)


def test_a_client_that_leaves_takes_an_incomplete_copy_with_it() -> None:
    engine, shadow, client = mirrored()
    client.send(upload(6, b"abc"))
    client.transport.close()
    assert (engine.up.last.was_reset, shadow.last.was_reset) == (True, True)


def test_an_answer_before_the_end_ends_the_copy_alone() -> None:
    engine, shadow, client = mirrored()
    client.send(upload(6, b"abc"))
    shadow.last.receiver.on_informational(ResponseHeaders(100))
    shadow.last.receiver.on_headers(ResponseHeaders(400), False)
    shadow.last.receiver.on_trailers(HeaderMap())
    client.send(b"def")
    assert shadow.last.body == b"abc"
    assert (engine.up.last.body, engine.up.last.ended) == (b"abcdef", True)


def test_a_copy_that_breaks_is_forgotten() -> None:
    engine, shadow, client = mirrored()
    client.send(upload(6, b"abc"))
    shadow.last.fail(StreamReset.CONNECTION_TERMINATION)
    client.send(b"def")
    engine.up.last.respond(200)
    assert client.take_response()[0] == 200
    assert engine.counter("cluster.shadow.upstream_rq_503") == 1


def test_a_response_that_breaks_off_is_forgotten() -> None:
    engine, shadow, client = mirrored()
    client.send(get())
    shadow.last.receiver.on_headers(ResponseHeaders(200), False)
    shadow.last.fail(StreamReset.CONNECTION_TERMINATION)
    engine.up.last.respond(200)
    assert client.take_response()[0] == 200


def test_no_connection_for_the_copy() -> None:
    engine, shadow, client = mirrored()
    shadow.failure = (PoolFailure.OVERFLOW, "")
    client.send(upload(3, b"abc"))
    engine.up.last.respond(200)
    assert client.take_response()[0] == 200


def test_a_slow_copy_does_not_slow_the_client_and_is_given_up_in_the_end() -> None:
    engine, shadow, client = mirrored(per_connection_buffer_limit=10)
    client.send(upload(100, b"abc"))
    shadow.last.receiver.on_write_blocked()
    client.send(b"x" * 10)
    assert client.transport.reading
    assert not shadow.last.was_reset
    client.send(b"y")
    assert shadow.last.was_reset
    assert client.transport.reading
    assert engine.counter("cluster.up.retry_or_shadow_abandoned") == 1
    client.send(b"z" * 86)
    assert engine.up.last.ended


def test_a_copy_that_catches_up_goes_on() -> None:
    _, shadow, client = mirrored(per_connection_buffer_limit=10)
    client.send(upload(23, b"abc"))
    for _ in range(2):
        shadow.last.receiver.on_write_blocked()
        client.send(b"x" * 10)
        shadow.last.receiver.on_write_ready()
    assert (shadow.last.body, shadow.last.ended) == (b"abc" + b"x" * 20, True)


def test_a_copy_without_a_connection_holds_no_more_than_the_limit() -> None:
    engine, shadow, client = mirrored(per_connection_buffer_limit=10)
    shadow.connected = False
    client.send(upload(100, b"x" * 11))
    client.send(b"x" * 11)
    assert shadow.last.cancelled
    assert engine.counter("cluster.up.retry_or_shadow_abandoned") == 1


def test_a_retry_is_not_mirrored_again() -> None:
    policy = RetryPolicy(retry_on=parse_retry_on("reset"))
    engine, shadow, client = mirrored(ForwardAction(cluster="up", retry_policy=policy, mirrors=MIRRORED.mirrors))
    client.send(get())
    engine.up.last.fail(StreamReset.REMOTE_RESET)
    engine.loop.advance(0.5)
    assert (len(engine.up.exchanges), len(shadow.exchanges)) == (2, 1)


def test_without_a_host_there_is_nothing_to_mirror() -> None:
    engine, shadow, client = mirrored()
    engine.up.healthy = False
    client.send(get())
    assert client.take_response()[0] == 503
    assert not shadow.exchanges


def test_a_request_that_fails_at_once_is_mirrored_if_it_is_whole() -> None:
    engine, shadow, client = mirrored()
    engine.up.failure = (PoolFailure.OVERFLOW, "")
    client.send(get())
    client.send(upload(6, b"abc"))
    assert len(shadow.exchanges) == 1


def test_a_cluster_that_nobody_knows_gets_nothing() -> None:
    engine, _, client = mirrored()
    del engine.clusters["shadow"]
    client.send(get())
    engine.up.last.respond(200)
    assert client.take_response()[0] == 200
