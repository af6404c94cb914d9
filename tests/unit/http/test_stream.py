"""Streams: routes, times, counters and logs; as dialogues over a real codec and router."""

from __future__ import annotations

import pytest

from dataplane.http.config import LocalReplyConfig, ReplyFormat, ReplyMapper
from dataplane.listener.drain import Drain
from dataplane.observe import flags
from dataplane.routing.route import DirectResponse, ForwardAction, HeaderAddition, HeaderMutations
from dataplane.routing.stream_duration import StreamDuration
from dataplane.semantics.header_map import ResponseHeaders
from tests.support.engine import Engine, get, route

POST = get(b"/", b"content-length: 10", method=b"POST")


class TestStreamTimes:
    @pytest.mark.parametrize(
        ("settings", "request_bytes", "status", "body", "details", "flag"),
        [
            ({"stream_idle_timeout": 0.3}, get(), 504, b"stream timeout", "stream_idle_timeout", flags.STREAM_IDLE_TIMEOUT),
            ({"stream_idle_timeout": 0.3}, POST, 408, b"stream timeout", "stream_idle_timeout", flags.STREAM_IDLE_TIMEOUT),
            ({"stream_idle_timeout": 0.3}, b"GET / HT", 408, b"stream timeout", "stream_idle_timeout", flags.STREAM_IDLE_TIMEOUT),
            ({"request_timeout": 0.3}, POST, 408, b"request timeout", "request_overall_timeout", 0),
            ({"request_timeout": 0.3}, b"GET / HT", 408, b"request timeout", "request_overall_timeout", 0),
            ({"request_headers_timeout": 0.3}, b"GET / HT", 408, b"request header timeout", "request_header_timeout", 0),
            ({"max_stream_duration": 0.3}, get(), 504, b"downstream duration timeout", "max_duration_timeout", 0),
        ],
    )
    def test_too_slow(
        self, settings: dict[str, float], request_bytes: bytes, status: int, body: bytes, details: str, flag: int
    ) -> None:
        engine = Engine(settings=settings)
        client = engine.connect()
        client.send(request_bytes)
        engine.loop.advance(0.25)
        assert client.take() == b""
        engine.loop.advance(0.1)
        got, fields, text = client.take_response()
        assert (got, text) == (status, body)
        assert (fields.get(b"connection") == b"close") is (status == 408)
        assert (engine.log.last.response_code_details, engine.log.last.response_flags) == (details, flag)
        assert all(exchange.was_reset for exchange in engine.up.exchanges)

    @pytest.mark.parametrize("settings", [{"request_timeout": 0.3}, {"request_headers_timeout": 0.3}])
    def test_a_request_that_arrived_in_time_may_wait(self, settings: dict[str, float]) -> None:
        engine = Engine(settings=settings)
        client = engine.connect()
        client.send(get())
        engine.loop.advance(1)
        engine.up.last.respond(200, b"late")
        assert client.take_response()[0] == 200

    def test_activity_moves_the_idle_timeout(self) -> None:
        engine = Engine(settings={"stream_idle_timeout": 0.3})
        client = engine.connect()
        client.send(POST)
        for _ in range(5):
            engine.loop.advance(0.2)
            client.send(b"x")
        assert client.take() == b""
        engine.loop.advance(0.4)
        assert client.take_response()[0] == 408

    def test_an_idle_response_is_broken_off(self) -> None:
        engine = Engine(settings={"stream_idle_timeout": 0.3})
        client = engine.connect()
        client.send(get())
        engine.up.last.receiver.on_headers(ResponseHeaders(200, [(b"content-length", b"9")]), False)
        engine.loop.advance(0.4)
        assert (engine.log.last.response_code, engine.log.last.response_flags) == (200, flags.STREAM_IDLE_TIMEOUT)
        assert engine.counter("http.test.downstream_rq_tx_reset") == 1
        engine.loop.advance(1.1)
        assert client.closed

    def test_a_route_has_its_own_times(self) -> None:
        idle = ForwardAction(cluster="up", idle_timeout=0.2)
        long = ForwardAction(cluster="up", max_stream_duration=StreamDuration(200))
        engine = Engine(routes=[route(b"/idle", idle), route(b"/long", long)])
        client = engine.connect()
        for path, details in ((b"/idle", "stream_idle_timeout"), (b"/long", "max_duration_timeout")):
            client.send(get(path))
            engine.loop.advance(0.3)
            assert client.take_response()[0] == 504
            assert engine.log.last.response_code_details == details


class TestConnectionTimes:
    @pytest.mark.parametrize("with_request", [False, True])
    def test_an_idle_connection_is_closed(self, with_request: bool) -> None:
        engine = Engine(settings={"idle_timeout": 0.3})
        client = engine.connect()
        if with_request:
            engine.loop.advance(0.2)
            client.send(get())
            engine.up.last.respond()
        engine.loop.advance(0.25)
        assert not client.closed
        engine.loop.advance(0.15)
        assert client.closed
        assert engine.counter("http.test.downstream_cx_idle_timeout") == 1
        assert engine.counter("http.test.downstream_cx_destroy_local") == 1

    def test_a_stream_under_way_is_no_idle_connection(self) -> None:
        engine = Engine(settings={"idle_timeout": 0.3})
        client = engine.connect()
        client.send(get())
        engine.loop.advance(2)
        engine.up.last.respond()
        assert client.take_response()[0] == 200

    def test_an_old_connection_without_requests_is_closed(self) -> None:
        engine = Engine(settings={"max_connection_duration": 0.3})
        client = engine.connect()
        engine.loop.advance(0.35)
        assert client.closed

    def test_an_old_connection_ends_with_its_next_response(self) -> None:
        engine = Engine(settings={"max_connection_duration": 0.3})
        client = engine.connect()
        client.send(get())
        engine.loop.advance(0.4)
        engine.up.last.respond()
        assert client.take_response()[1][b"connection"] == b"close"
        assert engine.counter("http.test.downstream_cx_max_duration_reached") == 1

    def test_an_old_connection_that_says_nothing_ends_with_the_drain_time(self) -> None:
        engine = Engine(settings={"max_connection_duration": 0.3, "drain_timeout": 0.5})
        client = engine.connect()
        client.send(get())
        engine.up.last.respond()
        engine.loop.advance(0.6)
        assert not client.closed
        engine.loop.advance(1.5)
        assert client.closed

    def test_requests_per_connection(self) -> None:
        engine = Engine(settings={"max_requests_per_connection": 2})
        client = engine.connect()
        client.send(get() * 3)
        engine.up.last.respond(200, b"1")
        assert b"connection: close" not in client.take()
        engine.up.last.respond(200, b"2")
        assert b"connection: close" in client.take()
        assert len(engine.up.exchanges) == 2
        assert engine.counter("http.test.downstream_cx_max_requests_reached") == 1

    def test_delayed_close_can_be_turned_off(self) -> None:
        engine = Engine(settings={"delayed_close_timeout": 0.0})
        client = engine.connect()
        client.send(b"garbage\r\n\r\n")
        assert client.take_response()[0] == 400
        assert client.closed


class TestDraining:
    def test_the_next_response_asks_to_close(self) -> None:
        engine = Engine()
        client = engine.connect()
        client.connection.drain = Drain(engine.loop.now, 0.0)
        client.send(get())
        engine.up.last.respond()
        assert client.take_response()[1][b"connection"] == b"close"
        assert engine.counter("http.test.downstream_cx_drain_close") == 1

    def test_gradual(self) -> None:
        drain = Drain(100.0, 10.0, random=lambda: 0.5)
        assert not drain.should_close(104.0)
        assert drain.should_close(106.0)
        assert drain.should_close(111.0)

    def test_idle_connections_close_when_nothing_new_is_wanted(self) -> None:
        engine = Engine()
        idle, busy = engine.connect(), engine.connect()
        busy.send(get())
        engine.listener.close_idle()
        assert idle.closed
        assert not busy.closed


class TestLocalReplies:
    def test_mapped_and_formatted(self) -> None:
        mapper = ReplyMapper(
            matches=lambda context: context.info.response_code == 404,
            status_code=418,
            body=b"mapped",
            headers_to_add=(HeaderAddition(b"foo", b"bar"),),
        )
        text = ReplyFormat(lambda context: b"X " + context.info.local_reply_body, b"text/html")
        engine = Engine(routes=[route(b"/none")], settings={"local_reply": LocalReplyConfig((mapper,), text)})
        client = engine.connect()
        client.send(get())
        status, fields, body = client.take_response()
        assert (status, body) == (418, b"X mapped")
        assert list(fields) == [b"foo", b"content-length", b"content-type", b"date", b"server"]
        assert fields[b"content-type"] == b"text/html"
        assert engine.log.last.response_code == 418

    def test_format_of_codec_errors(self) -> None:
        text = ReplyFormat(lambda context: b"X " + context.info.local_reply_body)
        client = Engine(settings={"local_reply": LocalReplyConfig((), text)}).connect()
        client.send(b"garbage\r\n\r\n")
        assert client.take_response()[2] == b"X Bad Request"

    def test_grpc_requests_are_answered_in_their_terms(self) -> None:
        engine = Engine()
        engine.up.healthy = False
        client = engine.connect()
        client.send(get(b"/a.B/C", b"content-type: application/grpc"))
        status, fields, body = client.take_response()
        assert (status, fields[b"grpc-status"], fields[b"grpc-message"], body) == (200, b"14", b"no healthy upstream", b"")
        assert engine.log.last.response_code == 200

    def test_direct_response_may_bring_its_content_type(self) -> None:
        mutation = HeaderMutations(response_add=(HeaderAddition(b"content-type", b"text/html", 2),))
        engine = Engine(routes=[route(action=DirectResponse(200, b"<p>"), mutations=(mutation,))])
        client = engine.connect()
        client.send(get())
        fields = client.take_response()[1]
        assert list(fields)[:2] == [b"content-type", b"content-length"]
        assert fields[b"content-type"] == b"text/html"


def test_counters_and_log_of_a_request() -> None:
    engine = Engine(routes=[route(name="the-route")])
    client = engine.connect()
    client.send(get(b"/", b"content-length: 3", method=b"POST") + b"abc")
    assert engine.counter("http.test.downstream_rq_active") == 1
    engine.loop.advance(0.25)
    engine.up.last.respond(201, b"hello")
    client.take()
    info = engine.log.last
    assert (info.bytes_received, info.bytes_sent, info.response_code) == (3, 5, 201)
    assert (info.route_name, info.virtual_host_name, info.upstream_cluster) == ("the-route", "", "up")
    assert round(info.end_at - info.start_at, 2) == 0.25
    assert info.protocol == "HTTP/1.1"
    for name in ("downstream_rq_total", "downstream_rq_http1_total", "downstream_rq_completed", "downstream_rq_2xx"):
        assert engine.counter(f"http.test.{name}") == 1
    assert engine.counter("listener.127.0.0.1_80.http.test.downstream_rq_2xx") == 1
    assert engine.counter("http.test.downstream_rq_active") == 0
    assert engine.stats.histograms["http.test.downstream_rq_time"].count == 1
    client.transport.close()
    assert engine.counter("http.test.downstream_cx_active") == 0
    assert engine.counter("http.test.downstream_cx_destroy_remote") == 1


def test_upgrades_are_refused() -> None:
    engine = Engine()
    client = engine.connect()
    client.send(get(b"/", b"connection: upgrade", b"upgrade: websocket"))
    status, fields, body = client.take_response()
    assert (status, fields[b"connection"], body) == (403, b"close", b"")
    assert engine.log.last.upstream_cluster == "up"
    assert engine.counter("http.test.downstream_rq_ws_on_non_ws_route") == 1


def test_an_offer_of_h2c_is_ignored() -> None:
    engine = Engine()
    engine.connect().send(get(b"/", b"connection: upgrade, http2-settings", b"upgrade: h2c", b"http2-settings: x"))
    assert not {b"upgrade", b"connection", b"http2-settings"} & {name for name, _ in engine.up.last.fields}


def test_a_stream_keeps_its_snapshot() -> None:
    engine = Engine()
    client = engine.connect()
    client.send(get())
    before = engine.server.holder.current
    stream = next(iter(client.connection.filter.codec.open_streams()))  # type: ignore[union-attr]  # the engine's filter has one
    assert stream.snapshot is before
