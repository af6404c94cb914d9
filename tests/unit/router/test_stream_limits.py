"""How long a stream may take: limits of clusters, and of gRPC requests."""

from __future__ import annotations

from ipaddress import ip_network

from dataplane.http.config import InternalAddresses
from dataplane.observe import flags
from dataplane.resilience.retry import RetryPolicy, parse_retry_on
from dataplane.routing.route import ForwardAction
from dataplane.routing.stream_duration import GrpcTimeout
from dataplane.semantics.header_map import ResponseHeaders
from tests.support.engine import Engine, get, route

INTERNAL = {"use_remote_address": True, "internal_addresses": InternalAddresses(cidr_ranges=(ip_network("10.0.0.0/8"),))}


class TestMaxStreamDuration:
    """`max_stream_duration` of a cluster: of each exchange with it."""

    def test_no_answer_in_time(self) -> None:
        engine = Engine()
        engine.up.max_stream_duration = 0.3
        client = engine.connect()
        client.send(get())
        engine.loop.advance(0.35)
        assert client.take_response()[::2] == (504, b"upstream max stream duration reached")
        assert engine.up.last.was_reset
        wanted = (flags.UPSTREAM_MAX_STREAM_DURATION_REACHED, "upstream_max_stream_duration_reached")
        assert (engine.log.last.response_flags, engine.log.last.response_code_details) == wanted
        assert engine.counter("cluster.up.upstream_rq_max_duration_reached") == 1
        assert "cluster.up.upstream_rq_504" not in engine.stats.counters

    def test_within_the_request(self) -> None:
        engine = Engine()
        engine.up.max_stream_duration = 0.3
        client = engine.connect()
        client.send(get(b"/", b"content-length: 2", method=b"POST"))
        engine.loop.advance(0.35)
        assert client.take_response()[0] == 408

    def test_within_the_response(self) -> None:
        engine = Engine()
        engine.up.max_stream_duration = 0.3
        client = engine.connect()
        client.send(get())
        engine.up.last.receiver.on_headers(ResponseHeaders(200, [(b"content-length", b"10")]), False)
        engine.loop.advance(0.35)
        assert engine.up.last.was_reset
        assert (engine.log.last.response_code, engine.log.last.response_flags) == (
            200,
            flags.UPSTREAM_MAX_STREAM_DURATION_REACHED,
        )

    def test_an_answer_in_time(self) -> None:
        engine = Engine()
        engine.up.max_stream_duration = 0.3
        client = engine.connect()
        client.send(get())
        engine.up.last.respond(200, b"ok")
        engine.loop.advance(0.35)
        assert client.take_response()[0] == 200
        assert not engine.up.last.was_reset
        assert engine.counter("cluster.up.upstream_rq_max_duration_reached") == 0

    def test_each_try_has_its_own(self) -> None:
        engine = Engine(
            routes=[route(action=ForwardAction(cluster="up", retry_policy=RetryPolicy(retry_on=parse_retry_on("reset"))))]
        )
        engine.up.max_stream_duration = 0.3
        client = engine.connect()
        client.send(get())
        engine.loop.advance(0.5)
        assert [exchange.was_reset for exchange in engine.up.exchanges] == [True, False]
        engine.up.last.respond(200, b"ok")
        assert client.take_response()[0] == 200

    def test_the_request_may_ask_for_another(self) -> None:
        engine = Engine(settings=INTERNAL)
        engine.up.max_stream_duration = 5.0
        client = engine.connect()
        client.send(get(b"/", b"x-envoy-upstream-stream-duration-ms: 200"))
        assert engine.up.last.field(b"x-envoy-upstream-stream-duration-ms") is None
        engine.loop.advance(0.25)
        assert client.take_response()[0] == 504


def test_the_deprecated_limit_of_grpc_requests_is_told_upstream() -> None:
    action = ForwardAction(cluster="up", timeout=9.0, grpc_timeout=GrpcTimeout(2000))
    engine = Engine(routes=[route(action=action)])
    client = engine.connect()
    client.send(get(b"/s/m", b"content-type: application/grpc", b"grpc-timeout: 5S", method=b"POST"))
    assert engine.up.last.field(b"grpc-timeout") == b"2000m"
    client.send(get(b"/s/m", b"grpc-timeout: 5S"))
    assert engine.up.last.field(b"grpc-timeout") == b"2000m"
