"""Retries of the router over a scripted upstream: when there is another try, what it carries, when it ends."""

from __future__ import annotations

from dataplane.api.upstream import PoolFailure, StreamReset
from dataplane.observe import flags
from dataplane.resilience.retry import RetryPolicy, parse_retry_on
from dataplane.router.config import RouterConfig
from dataplane.routing.route import ForwardAction
from dataplane.semantics.header_map import ResponseHeaders
from tests.support.engine import Engine, LogLines, get, route


def retrying(words: str = "5xx,reset,connect-failure", **settings: object) -> ForwardAction:
    policy = RetryPolicy(retry_on=parse_retry_on(words), **settings)  # type: ignore[arg-type]  # names are the test's business
    return ForwardAction(cluster="up", retry_policy=policy)


class TestRetries:
    def test_a_failed_try_is_repeated(self) -> None:
        engine = Engine(routes=[route(action=retrying(num_retries=2), include_attempt_count=True)])
        client = engine.connect()
        client.send(get())
        engine.up.last.fail(StreamReset.CONNECTION_TERMINATION)
        assert client.take() == b""
        engine.loop.advance(0.5)
        assert len(engine.up.exchanges) == 2
        assert engine.up.last.field(b"x-envoy-attempt-count") == b"2"
        engine.up.last.respond(200, b"ok")
        assert client.take_response()[0] == 200
        assert engine.log.last.attempts == 2
        assert engine.counter("cluster.up.upstream_rq_retry") == 1
        assert engine.counter("cluster.up.upstream_rq_retry_success") == 1
        assert engine.counter("cluster.up.circuit_breakers.default.rq_retry_open") == 0
        assert engine.up.breakers(0).retries.active == 0

    def test_the_last_answer_counts_when_retries_are_used_up(self) -> None:
        engine = Engine(routes=[route(action=retrying(num_retries=1))])
        client = engine.connect()
        client.send(get())
        engine.up.last.respond(503, b"a")
        assert client.take() == b""
        engine.loop.advance(0.5)
        engine.up.last.respond(503, b"b")
        status, _, body = client.take_response()
        assert (status, body) == (503, b"b")
        assert engine.log.last.response_flags == flags.UPSTREAM_RETRY_LIMIT_EXCEEDED
        assert engine.counter("cluster.up.retry.upstream_rq_503") == 1
        assert engine.counter("cluster.up.upstream_rq_retry_limit_exceeded") == 1

    def test_the_text_says_that_it_was_retried(self) -> None:
        engine = Engine(routes=[route(action=retrying(num_retries=1))])
        client = engine.connect()
        client.send(get())
        for _ in range(2):
            engine.up.last.fail(StreamReset.CONNECTION_TERMINATION)
            engine.loop.advance(0.5)
        assert client.take_response()[2] == (
            b"upstream connect error or disconnect/reset before headers. "
            b"retried and the latest reset reason: connection termination"
        )

    def test_the_body_is_sent_again(self) -> None:
        engine = Engine(routes=[route(action=retrying(num_retries=1))])
        client = engine.connect()
        client.send(get(b"/", b"content-length: 6", method=b"POST") + b"abc")
        client.send(b"def")
        engine.up.last.fail(StreamReset.REMOTE_RESET)
        engine.loop.advance(0.5)
        assert [exchange.body for exchange in engine.up.exchanges] == [b"abcdef", b"abcdef"]
        assert engine.up.last.ended

    def test_a_body_that_is_still_coming_goes_on_in_the_next_try(self) -> None:
        engine = Engine(routes=[route(action=retrying(num_retries=1))])
        client = engine.connect()
        client.send(get(b"/", b"content-length: 9", method=b"POST") + b"abc")
        engine.up.last.fail(StreamReset.REMOTE_RESET)
        client.send(b"def")
        engine.loop.advance(0.5)
        assert (engine.up.last.body, engine.up.last.ended) == (b"abcdef", False)
        client.send(b"ghi")
        assert (engine.up.last.body, engine.up.last.ended) == (b"abcdefghi", True)

    def test_a_body_over_the_limit_is_not_retried(self) -> None:
        engine = Engine(routes=[route(action=retrying(num_retries=1), request_buffer_limit=4)])
        client = engine.connect()
        client.send(get(b"/", b"content-length: 6", method=b"POST") + b"abcdef")
        engine.up.last.respond(503)
        assert client.take_response()[0] == 503
        assert engine.log.last.response_flags == 0
        assert engine.counter("cluster.up.retry_or_shadow_abandoned") == 1

    def test_overflow_is_never_retried(self) -> None:
        engine = Engine(routes=[route(action=retrying())])
        engine.up.failure = (PoolFailure.OVERFLOW, "")
        client = engine.connect()
        client.send(get())
        assert client.take_response()[0] == 503

    def test_the_breaker_bounds_retries(self) -> None:
        engine = Engine(routes=[route(action=retrying())])
        engine.up.breakers(0).retries.limit = 0
        client = engine.connect()
        client.send(get())
        engine.up.last.respond(503)
        assert client.take_response()[0] == 503
        assert engine.counter("cluster.up.upstream_rq_retry_overflow") == 1

    def test_per_try_timeout(self) -> None:
        engine = Engine(routes=[route(action=retrying(num_retries=1, per_try_timeout=0.2))])
        client = engine.connect()
        client.send(get())
        assert engine.up.last.field(b"x-envoy-expected-rq-timeout-ms") == b"200"
        engine.loop.advance(0.3)
        assert [exchange.was_reset for exchange in engine.up.exchanges] == [True, False]
        engine.loop.advance(0.5)
        status, _, body = client.take_response()
        assert (status, body) == (504, b"upstream request timeout")
        wanted = flags.UPSTREAM_RETRY_LIMIT_EXCEEDED | flags.UPSTREAM_REQUEST_TIMEOUT
        assert (engine.log.last.response_flags, engine.log.last.response_code_details) == (wanted, "upstream_per_try_timeout")
        assert engine.counter("cluster.up.upstream_rq_per_try_timeout") == 2

    def test_a_try_that_is_silent_for_too_long_makes_room_for_the_next(self) -> None:
        engine = Engine(routes=[route(action=retrying(num_retries=1, per_try_idle_timeout=0.2))])
        client = engine.connect()
        client.send(get())
        assert engine.up.last.field(b"x-envoy-expected-rq-timeout-ms") == b"15000"
        engine.loop.advance(0.3)
        assert [exchange.was_reset for exchange in engine.up.exchanges] == [True, False]
        engine.up.last.respond(200)
        assert client.take_response()[0] == 200
        assert engine.counter("cluster.up.upstream_rq_per_try_idle_timeout") == 1

    def test_each_sign_of_life_of_a_try_begins_its_silence_anew(self) -> None:
        engine = Engine(routes=[route(action=retrying(num_retries=1, per_try_idle_timeout=0.2))])
        client = engine.connect()
        client.send(get())
        engine.loop.advance(0.15)
        receiver = engine.up.last.receiver
        receiver.on_headers(ResponseHeaders(200, []), False)
        for _ in range(4):
            engine.loop.advance(0.15)
            receiver.on_data(b"x", False)
        assert engine.counter("cluster.up.upstream_rq_per_try_idle_timeout") == 0
        engine.loop.advance(0.3)
        assert engine.up.last.was_reset
        assert engine.log.last.response_code_details == "upstream_per_try_idle_timeout"
        assert engine.log.last.response_flags == flags.UPSTREAM_REQUEST_TIMEOUT
        assert engine.counter("cluster.up.upstream_rq_per_try_idle_timeout") == 1

    def test_a_response_that_ends_in_time_leaves_no_deadline_behind(self) -> None:
        engine = Engine(routes=[route(action=retrying(num_retries=1, per_try_idle_timeout=0.2))])
        client = engine.connect()
        client.send(get())
        engine.up.last.receiver.on_headers(ResponseHeaders(200, []), False)
        engine.up.last.receiver.on_data(b"x", True)
        engine.loop.advance(1.0)
        assert not client.closed
        assert engine.counter("cluster.up.upstream_rq_per_try_idle_timeout") == 0

    def test_the_expected_time_shrinks_with_each_try(self) -> None:
        engine = Engine(routes=[route(action=retrying(num_retries=1))])
        client = engine.connect()
        client.send(get())
        engine.loop.advance(1.0)
        engine.up.last.fail(StreamReset.REMOTE_RESET)
        engine.loop.advance(0.5)
        left = engine.up.last.field(b"x-envoy-expected-rq-timeout-ms")
        assert left is not None
        assert 13_400 <= int(left) <= 14_000

    def test_a_client_that_leaves_between_tries_ends_them(self) -> None:
        engine = Engine(routes=[route(action=retrying())])
        client = engine.connect()
        client.send(get())
        engine.up.last.respond(503)
        client.transport.close()
        engine.loop.advance(1)
        assert len(engine.up.exchanges) == 1
        assert engine.up.breakers(0).retries.active == 0


def test_the_routers_own_log_tells_of_every_try() -> None:
    lines = LogLines()
    engine = Engine(routes=[route(action=retrying(num_retries=2))], router=RouterConfig(upstream_log=(lines,)))
    client = engine.connect()
    client.send(get())
    engine.up.last.fail(StreamReset.CONNECTION_TERMINATION)
    engine.loop.advance(0.5)
    engine.up.last.respond(503, b"a")
    engine.loop.advance(0.5)
    engine.up.last.respond(200, b"ok")
    assert len(lines.entries) == 3
    assert len(engine.log.entries) == 1
