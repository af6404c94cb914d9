"""Requests for tunnels: their form by protocol, and the end of a CONNECT whose bytes go on as they are."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.api.upstream import PoolFailure, StreamReset
from dataplane.base.address import SocketAddress
from dataplane.observe import flags
from dataplane.observe.stream_info import StreamInfo
from dataplane.router.tunnels import TerminatedConnect, request_for, take_response
from dataplane.routing.route import ForwardAction, Route
from dataplane.semantics.header_map import HeaderMap, RequestHeaders, ResponseHeaders
from tests.support.engine import Engine

HOST: Any = object()
CONNECT = RequestHeaders(b"CONNECT", b"", b"a.test:443")
UPGRADE = RequestHeaders(b"GET", b"/", b"a.test", b"http", [(b"upgrade", b"websocket"), (b"connection", b"Upgrade")])


def test_only_an_upgrade_over_http2_changes_its_form() -> None:
    assert request_for("HTTP/1.1", UPGRADE) is UPGRADE
    assert request_for("HTTP/2", CONNECT) is CONNECT
    assert request_for("HTTP/2", UPGRADE).protocol == b"websocket"


@pytest.mark.parametrize(
    ("protocol", "request_headers", "status", "granted"),
    [
        ("HTTP/1.1", UPGRADE, 101, True),
        ("HTTP/1.1", UPGRADE, 200, False),
        ("HTTP/2", UPGRADE, 200, True),
        ("HTTP/2", UPGRADE, 404, False),
        ("HTTP/2", CONNECT, 200, True),
        ("HTTP/1.1", CONNECT, 403, False),
    ],
)
def test_what_grants_it(protocol: str, request_headers: RequestHeaders, status: int, granted: bool) -> None:
    response = ResponseHeaders(status)
    assert take_response(protocol, request_headers, response) is granted
    assert response.status == (101 if granted and request_headers is UPGRADE else status)


class Calls:
    """Keeps what it is told, whatever that is."""

    connection_id = 7
    local_address = SocketAddress("10.0.0.2", 1)

    def __init__(self) -> None:
        self.log: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **named: self.log.append((name, *arguments, *named.values()))


class World:
    def __init__(self, proxy_protocol: int = 0) -> None:
        info = StreamInfo()
        info.downstream_remote_address = SocketAddress("10.0.0.1", 1)
        info.downstream_local_address = SocketAddress("10.0.0.2", 2)
        self.upstream: Any = Calls()
        self.attempt: Any = Calls()
        self.connect = TerminatedConnect(self.attempt, info, proxy_protocol)

    def take(self, calls: Any) -> list[Any]:
        taken, calls.log = calls.log, []
        return taken  # type: ignore[no-any-return]  # a list of its own


@pytest.fixture
def world() -> World:
    world = World()
    world.connect.on_tcp_ready(world.upstream, HOST)
    world.attempt.log.clear()
    return world


def test_the_attempt_hears_of_the_connection_and_of_its_facts() -> None:
    world = World()
    world.connect.on_tcp_ready(world.upstream, HOST)
    assert world.take(world.attempt) == [("on_pool_ready", world.connect, HOST, world.connect)]
    assert (world.connect.connection_id, world.connect.protocol, world.connect.tls) == (7, "", None)


def test_a_head_is_answered_at_once(world: World) -> None:
    world.connect.encode_headers(CONNECT, False)
    [(what, headers, end_stream)] = world.take(world.attempt)
    assert (what, headers.status, end_stream) == ("on_headers", 200, False)
    assert world.take(world.upstream) == []


def test_a_header_of_the_proxy_protocol_goes_first() -> None:
    world = World(proxy_protocol=1)
    world.connect.on_tcp_ready(world.upstream, HOST)
    world.connect.encode_headers(RequestHeaders(b"POST", b"/", b"a.test"), True)
    assert world.take(world.upstream) == [("write", b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"), ("end_writing",)]


def test_bytes_and_ends_go_both_ways(world: World) -> None:
    world.connect.encode_data(b"ping", False)
    world.connect.encode_data(b"", True)
    assert world.take(world.upstream) == [("write", b"ping"), ("end_writing",)]
    world.connect.on_upstream_data(b"pong")
    world.connect.on_upstream_end()
    assert world.take(world.attempt) == [("on_data", b"pong", False), ("on_data", b"", True)]
    assert world.take(world.upstream) == [("close", False)]


def test_trailers_end_it_too(world: World) -> None:
    world.connect.encode_trailers(HeaderMap())
    assert world.take(world.upstream) == [("end_writing",)]


def test_back_pressure_passes(world: World) -> None:
    world.connect.pause_reading()
    world.connect.resume_reading()
    assert world.take(world.upstream) == [("pause_reading",), ("resume_reading",)]
    world.connect.on_upstream_blocked()
    world.connect.on_upstream_ready()
    assert world.take(world.attempt) == [("on_write_blocked",), ("on_write_ready",)]


def test_failures(world: World) -> None:
    world.connect.on_pool_failure(PoolFailure.TIMEOUT, "late", None)
    world.connect.on_upstream_close("reset")
    assert world.take(world.attempt) == [
        ("on_pool_failure", PoolFailure.TIMEOUT, "late", None),
        ("on_reset", StreamReset.CONNECTION_TERMINATION, ""),
    ]
    world.connect.reset()
    assert world.take(world.upstream) == [("close",)]


class TestTheRouter:
    """From an HTTP/1.1 client; the upstream is scripted."""

    def engine(self, *, timeout: float = 15.0) -> Engine:
        action = ForwardAction(cluster="up", timeout=timeout, upgrades=((b"connect", True), (b"websocket", True)))
        whole = Route("", lambda headers, path, query, random_value: True, action, b"", pathless=True)
        return Engine(routes=[whole])

    def test_what_comes_before_the_answer_is_held(self) -> None:
        engine = self.engine()
        client = engine.connect()
        client.send(b"CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\n\r\nearly")
        exchange = engine.up.last
        assert (exchange.body, exchange.ended) == (b"", False)
        exchange.receiver.on_headers(ResponseHeaders(200), False)
        assert exchange.body == b"early"
        client.send(b"more")
        assert exchange.body == b"earlymore"
        assert client.take().startswith(b"HTTP/1.1 200 OK\r\n")
        exchange.receiver.on_data(b"back", False)
        engine.loop.run_soon()
        assert client.take() == b"back"
        assert not client.closed

    def test_a_tunnel_has_no_deadline(self) -> None:
        engine = self.engine(timeout=1.0)
        client = engine.connect()
        client.send(b"CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\n\r\n")
        engine.up.last.receiver.on_headers(ResponseHeaders(200), False)
        engine.loop.advance(5.0)
        assert not engine.up.last.was_reset

    def test_an_answer_that_does_not_come_is_waited_for_as_ever(self) -> None:
        engine = self.engine(timeout=1.0)
        client = engine.connect()
        client.send(b"CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\n\r\n")
        engine.loop.advance(1.5)
        assert client.take_response()[0] == 504
        assert engine.counter("cluster.up.upstream_rq_timeout") == 1

    def test_a_refusal_ends_the_connection_and_drops_what_was_held(self) -> None:
        engine = self.engine()
        client = engine.connect()
        client.send(b"CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\n\r\nearly")
        engine.up.last.respond(403, b"no")
        status, fields, body = client.take_response()
        assert (status, fields[b"connection"], body) == (403, b"close", b"no")
        assert engine.up.last.body == b""

    def test_statistics_and_log(self) -> None:
        engine = self.engine()
        client = engine.connect()
        client.send(b"GET / HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        assert engine.counter("http.test.downstream_cx_upgrades_total") == 1
        switching = ResponseHeaders(101, [(b"upgrade", b"websocket"), (b"connection", b"upgrade")])
        engine.up.last.receiver.on_headers(switching, False)
        assert client.take().startswith(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n")
        client.send(b"ping")
        engine.up.last.fail(StreamReset.CONNECTION_TERMINATION)
        assert engine.log.last.response_code == 101
        assert engine.log.last.response_flags == flags.UPSTREAM_CONNECTION_TERMINATION
        assert (engine.log.last.bytes_received, engine.log.last.bytes_sent) == (4, 0)
