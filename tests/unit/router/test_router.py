"""The router over a scripted upstream: what goes up, what comes down, what is counted and logged."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from dataplane.api.upstream import PoolFailure, StreamReset
from dataplane.http.config import InternalAddresses
from dataplane.observe import flags
from dataplane.router.config import RouterConfig
from dataplane.routing.rewrite import replace_prefix
from dataplane.routing.route import (
    DirectResponse,
    ForwardAction,
    HeaderAddition,
    HeaderMutations,
    NonForwardingAction,
    RedirectAction,
    WeightedCluster,
)
from dataplane.semantics.header_map import ResponseHeaders
from tests.support.engine import HOST, Engine, FakeCluster, get, route

RESET_TEXT = b"upstream connect error or disconnect/reset before headers. reset reason: "
INTERNAL = {"use_remote_address": True, "internal_addresses": InternalAddresses(cidr_ranges=(ip_network("10.0.0.0/8"),))}


class TestWithoutUpstream:
    def test_no_route(self) -> None:
        engine = Engine(routes=[route(b"/only")])
        client = engine.connect()
        client.send(get(b"/other"))
        status, fields, body = client.take_response()
        assert (status, body) == (404, b"")
        assert list(fields) == [b"date", b"server", b"content-length"]
        assert (engine.log.last.response_flags, engine.log.last.response_code_details) == (
            flags.NO_ROUTE_FOUND,
            "route_not_found",
        )
        assert engine.counter("http.test.no_route") == 1
        assert not client.closed

    def test_unknown_cluster(self) -> None:
        engine = Engine(routes=[route(action=ForwardAction(cluster="nope", cluster_not_found_status=500))])
        client = engine.connect()
        client.send(get())
        assert client.take_response()[0] == 500
        assert engine.log.last.response_flags == flags.NO_CLUSTER_FOUND
        assert (engine.log.last.upstream_cluster, engine.log.last.attempts) == ("", 0)

    def test_direct_response(self) -> None:
        engine = Engine(routes=[route(action=DirectResponse(200, b"hello"))])
        client = engine.connect()
        client.send(get())
        status, fields, body = client.take_response()
        assert (status, body) == (200, b"hello")
        assert list(fields) == [b"content-length", b"content-type", b"date", b"server"]
        assert engine.log.last.response_code_details == "direct_response"

    def test_redirect_with_headers_of_the_route(self) -> None:
        added = HeaderMutations(response_add=(HeaderAddition(b"x-added", b"1"),))
        action = RedirectAction(301, lambda headers: b"https://" + headers.authority + headers.path)
        engine = Engine(routes=[route(action=action, mutations=(added,))])
        client = engine.connect()
        client.send(get(b"/x"))
        status, fields, _ = client.take_response()
        assert (status, fields[b"location"], fields[b"x-added"]) == (301, b"https://h.test/x", b"1")
        assert engine.counter("http.test.rq_direct_response") == 1

    def test_non_forwarding_action(self) -> None:
        client = Engine(routes=[route(action=NonForwardingAction())]).connect()
        client.send(get())
        assert client.take_response()[0] == 500


class TestRequestHeaders:
    def test_order_and_rewrites(self) -> None:
        mutations = HeaderMutations(request_add=(HeaderAddition(b"x-a", lambda context: context.request.path),))
        action = ForwardAction(
            cluster="up", host_rewrite=b"foo.bar", append_x_forwarded_host=True, rewrite_path=replace_prefix(b"/zz", 3)
        )
        engine = Engine(routes=[route(b"/hr", action, mutations=(mutations,), include_attempt_count=True)])
        engine.connect().send(get(b"/hr/a?x=1"))
        exchange = engine.up.last
        assert exchange.headers is not None
        assert (exchange.headers.path, exchange.headers.authority) == (b"/zz/a?x=1", b"foo.bar")
        assert [(name, value) for name, value in exchange.fields if name != b"x-request-id"] == [
            (b"x-forwarded-proto", b"http"),
            (b"x-envoy-expected-rq-timeout-ms", b"15000"),
            (b"x-envoy-attempt-count", b"1"),
            (b"x-a", b"/hr/a?x=1"),
            (b"x-envoy-original-host", b"h.test"),
            (b"x-forwarded-host", b"h.test"),
            (b"x-envoy-original-path", b"/hr/a?x=1"),
        ]

    def test_suppressed_envoy_headers(self) -> None:
        engine = Engine(router=RouterConfig(suppress_envoy_headers=True))
        client = engine.connect()
        client.send(get())
        assert engine.up.last.field(b"x-envoy-expected-rq-timeout-ms") is None
        engine.up.last.respond(200, b"x")
        assert b"x-envoy" not in client.take()

    def test_internal_requests_may_ask_for_their_own_times(self) -> None:
        # Only a filter can make the request internal in this engine; the headers stand for one that did.
        engine = Engine(routes=[route(action=ForwardAction(cluster="up", timeout=0.0))])
        engine.connect().send(get())
        assert engine.up.last.field(b"x-envoy-expected-rq-timeout-ms") is None

    def test_weighted_choice_adds_its_headers(self) -> None:
        choice = WeightedCluster("up", 1, mutations=HeaderMutations(request_add=(HeaderAddition(b"x-w", b"1"),)))
        engine = Engine(routes=[route(action=ForwardAction(weighted_clusters=(choice,), total_weight=1))])
        engine.connect().send(get())
        assert engine.up.last.field(b"x-w") == b"1"

    def test_cluster_header(self) -> None:
        engine = Engine(routes=[route(action=ForwardAction(cluster_header=b"x-c"))])
        client = engine.connect()
        client.send(get(b"/", b"x-c: up"))
        engine.up.last.respond()
        client.take()
        client.send(get())
        assert client.take_response()[0] == 503

    def test_strict_headers(self) -> None:
        engine = Engine(router=RouterConfig(strict_check_headers=(b"x-envoy-max-retries",)), settings=INTERNAL)
        client = engine.connect()
        client.send(get(b"/", b"x-envoy-max-retries: many"))
        status, _, body = client.take_response()
        assert (status, body) == (400, b"invalid header 'x-envoy-max-retries' with value 'many'")
        assert engine.log.last.response_flags == flags.INVALID_ENVOY_REQUEST_HEADERS

    def test_wishes_of_an_internal_request(self) -> None:
        engine = Engine(settings=INTERNAL)
        client = engine.connect()
        client.send(get(b"/", b"x-envoy-upstream-rq-timeout-ms: 500", b"x-envoy-upstream-alt-stat-name: alt"))
        assert engine.up.last.field(b"x-envoy-expected-rq-timeout-ms") == b"500"
        assert engine.up.last.field(b"x-envoy-upstream-rq-timeout-ms") is None
        engine.up.last.respond()
        assert engine.counter("cluster.up.internal.upstream_rq_200") == 1
        assert engine.counter("cluster.up.alt.upstream_rq_2xx") == 1
        client.send(get())
        engine.loop.advance(16)
        assert engine.log.last.response_code == 504


class TestFailures:
    @pytest.mark.parametrize(
        ("failure", "flag", "reason", "inside"),
        [
            (
                (PoolFailure.REMOTE_CONNECTION_FAILURE, "delayed_connect_error: Connection refused"),
                flags.UPSTREAM_CONNECTION_FAILURE,
                b"remote connection failure",
                "remote_connection_failure|delayed_connect_error:_Connection_refused",
            ),
            ((PoolFailure.TIMEOUT, ""), flags.UPSTREAM_CONNECTION_FAILURE, b"connection timeout", "connection_timeout"),
            ((PoolFailure.OVERFLOW, ""), flags.UPSTREAM_OVERFLOW, b"overflow", "overflow"),
        ],
    )
    def test_no_connection(self, failure: tuple[PoolFailure, str], flag: int, reason: bytes, inside: str) -> None:
        engine = Engine()
        engine.up.failure = failure
        client = engine.connect()
        client.send(get())
        status, fields, body = client.take_response()
        assert (status, body) == (503, RESET_TEXT + reason)
        assert (fields.get(b"x-envoy-overloaded") == b"true") is (flag == flags.UPSTREAM_OVERFLOW)
        info = engine.log.last
        assert (info.response_flags, info.response_code_details) == (flag, f"upstream_reset_before_response_started{{{inside}}}")
        assert info.upstream_host == (None if flag == flags.UPSTREAM_OVERFLOW else HOST)
        assert engine.counter("cluster.up.upstream_rq_503") == 1
        assert not client.closed

    def test_no_healthy_host(self) -> None:
        engine = Engine()
        engine.up.healthy = False
        client = engine.connect()
        client.send(get())
        status, _, body = client.take_response()
        assert (status, body) == (503, b"no healthy upstream")
        assert (engine.log.last.response_flags, engine.log.last.attempts) == (flags.NO_HEALTHY_UPSTREAM, 1)

    @pytest.mark.parametrize(
        ("reason", "status", "flag"),
        [
            (StreamReset.CONNECTION_TERMINATION, 503, flags.UPSTREAM_CONNECTION_TERMINATION),
            (StreamReset.REMOTE_RESET, 503, flags.UPSTREAM_REMOTE_RESET),
            (StreamReset.PROTOCOL_ERROR, 502, flags.UPSTREAM_PROTOCOL_ERROR),
        ],
    )
    def test_reset_before_the_response(self, reason: StreamReset, status: int, flag: int) -> None:
        engine = Engine()
        client = engine.connect()
        client.send(get())
        engine.up.last.fail(reason)
        got, _, body = client.take_response()
        assert (got, body) == (status, RESET_TEXT + reason.value.encode())
        assert engine.log.last.response_flags == flag
        assert not client.closed

    def test_reset_within_the_response(self) -> None:
        engine = Engine()
        client = engine.connect()
        client.send(get())
        engine.up.last.receiver.on_headers(ResponseHeaders(200, [(b"content-length", b"10")]), False)
        engine.up.last.receiver.on_data(b"abc", False)
        engine.up.last.fail(StreamReset.PROTOCOL_ERROR)
        assert client.take().endswith(b"abc")
        info = engine.log.last
        assert info.response_code_details == "upstream_reset_after_response_started{protocol_error}"
        assert (info.response_code, info.bytes_sent) == (200, 3)
        assert engine.counter("http.test.rq_reset_after_downstream_response_started") == 1
        assert engine.counter("http.test.downstream_rq_tx_reset") == 1
        engine.loop.advance(1.1)
        assert client.closed

    def test_a_client_that_leaves_takes_the_upstream_request_with_it(self) -> None:
        engine = Engine()
        engine.up.connected = False
        client = engine.connect()
        client.send(get())
        client.transport.close()
        assert engine.up.last.cancelled
        assert engine.log.last.response_flags == flags.DOWNSTREAM_CONNECTION_TERMINATION


class TestTimeouts:
    def test_route_timeout(self) -> None:
        engine = Engine(routes=[route(action=ForwardAction(cluster="up", timeout=0.3))])
        client = engine.connect()
        client.send(get())
        assert engine.up.last.field(b"x-envoy-expected-rq-timeout-ms") == b"300"
        engine.loop.advance(0.2)
        assert client.take() == b""
        engine.loop.advance(0.2)
        status, _, body = client.take_response()
        assert (status, body) == (504, b"upstream request timeout")
        assert engine.up.last.was_reset
        assert (engine.log.last.response_flags, engine.log.last.response_code_details) == (
            flags.UPSTREAM_REQUEST_TIMEOUT,
            "response_timeout",
        )
        assert engine.counter("cluster.up.upstream_rq_timeout") == 1
        assert engine.up.host.rq_timeout == 1
        assert not client.closed

    def test_the_timeout_starts_when_the_request_is_complete(self) -> None:
        engine = Engine(routes=[route(action=ForwardAction(cluster="up", timeout=0.3))])
        client = engine.connect()
        client.send(get(b"/", b"content-length: 2", method=b"POST"))
        engine.loop.advance(5)
        assert client.take() == b""
        client.send(b"ab")
        engine.loop.advance(0.35)
        assert client.take_response()[0] == 504

    def test_timeout_within_the_response(self) -> None:
        engine = Engine(routes=[route(action=ForwardAction(cluster="up", timeout=0.3))])
        client = engine.connect()
        client.send(get())
        engine.up.last.receiver.on_headers(ResponseHeaders(200, [(b"content-length", b"10")]), False)
        engine.loop.advance(0.4)
        assert (engine.log.last.response_code, engine.log.last.response_flags) == (200, flags.UPSTREAM_REQUEST_TIMEOUT)
        engine.loop.advance(1.1)
        assert client.closed

    def test_no_timeout(self) -> None:
        engine = Engine(routes=[route(action=ForwardAction(cluster="up", timeout=0.0))])
        client = engine.connect()
        client.send(get())
        engine.loop.advance(100)
        assert client.take() == b""


class TestBackPressure:
    def test_a_slow_client_pauses_the_upstream(self) -> None:
        engine = Engine()
        client = engine.connect()
        client.send(get())
        engine.up.last.receiver.on_headers(ResponseHeaders(200, []), False)
        client.connection.pause_writing()
        assert engine.up.last.paused == 1
        client.connection.resume_writing()
        assert engine.up.last.paused == 0

    def test_a_slow_upstream_pauses_the_client(self) -> None:
        engine = Engine()
        client = engine.connect()
        client.send(get(b"/", b"content-length: 9", method=b"POST"))
        engine.up.last.receiver.on_write_blocked()
        assert not client.transport.reading
        engine.up.last.receiver.on_write_ready()
        assert client.transport.reading

    def test_a_body_that_waits_for_a_connection_is_held_up_to_the_limit(self) -> None:
        engine = Engine(listener_settings={"per_connection_buffer_limit": 10})
        engine.up.connected = False
        client = engine.connect()
        client.send(get(b"/", b"content-length: 22", method=b"POST") + b"x" * 11)
        assert not client.transport.reading
        engine.up.last.connect()
        assert client.transport.reading
        client.send(b"y" * 11)
        assert (engine.up.last.body, engine.up.last.ended) == (b"x" * 11 + b"y" * 11, True)


def test_counters_of_an_answer() -> None:
    engine = Engine()
    client = engine.connect()
    client.send(get())
    engine.up.last.respond(201, b"x")
    for name in ("upstream_rq_completed", "upstream_rq_2xx", "upstream_rq_201", "external.upstream_rq_201"):
        assert engine.counter(f"cluster.up.{name}") == 1
    assert engine.stats.histograms["cluster.up.upstream_rq_time"].count == 1
    assert engine.up.host.rq_success == 1


def test_counters_follow_a_cluster_that_was_replaced() -> None:
    engine = Engine()
    client = engine.connect()
    client.send(get())
    engine.up.last.respond()
    engine.stats.drop("cluster.up.")
    replacement = engine.clusters["up"] = FakeCluster("up", engine.stats)
    client.send(get())
    replacement.last.respond()
    assert engine.counter("cluster.up.upstream_rq_200") == 1
