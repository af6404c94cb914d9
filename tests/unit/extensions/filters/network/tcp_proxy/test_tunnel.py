"""One try to reach an upstream through a tunnel, and how it is configured."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.api.upstream import NoHealthyHost, PoolFailure, StreamReset
from dataplane.extensions.filters.network.tcp_proxy.tunnel import Tunnel, TunnelConfig
from dataplane.observe.stream_info import StreamInfo
from dataplane.routing.route import HeaderAddition
from dataplane.semantics.header_map import HeaderMap, RequestHeaders, ResponseHeaders
from tests.support.compiling import errors, message

HOST: Any = object()
FAILED = PoolFailure.REMOTE_CONNECTION_FAILURE


class Calls:
    """Keeps what it is told, whatever that is."""

    connection_id = 7
    local_address = None
    host = HOST

    def __init__(self) -> None:
        self.log: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.log.append((name, *arguments))


class World:
    """A cluster whose pool answers when it is told to."""

    def __init__(self, config: TunnelConfig | None = None) -> None:
        self.pending: Any = Calls()
        self.encoder: Any = Calls()
        self.receiver: Any = Calls()
        self.tunnel = Tunnel(config or TunnelConfig(lambda info: b"h.test:1"), StreamInfo(), self.receiver)

    def open_stream(self, receiver: object, context: object, priority: int) -> Any:
        assert (receiver, context, priority) == (self.tunnel, None, 0)
        return self.pending

    def ask(self) -> RequestHeaders:
        cluster: Any = self
        assert self.tunnel.open(cluster, None) is self.tunnel
        assert self.tunnel.host is HOST
        self.tunnel.on_pool_ready(self.encoder, HOST, self.encoder)
        [(what, headers, end_stream)] = self.take(self.encoder)
        assert (what, end_stream) == ("encode_headers", False)
        return headers  # type: ignore[no-any-return]  # as just seen

    def take(self, calls: Any) -> list[Any]:
        taken, calls.log = calls.log, []
        return taken  # type: ignore[no-any-return]  # a list of its own


@pytest.fixture
def asked() -> World:
    world = World()
    world.ask()
    return world


@pytest.fixture
def opened(asked: World) -> World:
    asked.tunnel.on_headers(ResponseHeaders(200), False)
    assert asked.take(asked.receiver) == [("on_tcp_ready", asked.tunnel, HOST)]
    return asked


def test_what_is_asked() -> None:
    headers = World().ask()
    assert (headers.method, headers.path, headers.authority, headers.fields) == (b"CONNECT", b"", b"h.test:1", [])
    addition = HeaderAddition(b"x-a", b"b", 0, keep_empty_value=False)
    headers = World(TunnelConfig(lambda info: b"h.test", (addition,), post_path=b"/tunnel")).ask()
    assert (headers.method, headers.path, headers.fields) == (b"POST", b"/tunnel", [(b"x-a", b"b")])


@pytest.mark.parametrize(("status", "end_stream"), [(403, False), (101, False), (200, True), (503, True)])
def test_any_other_answer_is_a_failed_attempt(asked: World, status: int, end_stream: bool) -> None:
    asked.tunnel.on_headers(ResponseHeaders(status), end_stream)
    assert asked.take(asked.receiver) == [("on_pool_failure", FAILED, f"tunnel_response:{status}", HOST)]
    assert asked.take(asked.encoder) == ([] if end_stream else [("reset",)])


def test_no_answer_is_one_too(asked: World) -> None:
    asked.tunnel.on_reset(StreamReset.CONNECTION_TERMINATION, "")
    assert asked.take(asked.receiver) == [("on_pool_failure", FAILED, "", HOST)]


def test_no_connection_neither() -> None:
    world = World()
    world.tunnel.on_pool_failure(PoolFailure.TIMEOUT, "late", None)
    assert world.take(world.receiver) == [("on_pool_failure", PoolFailure.TIMEOUT, "late", None)]
    cluster: Any = world
    assert world.tunnel.open(cluster, None) is None  # it failed meanwhile


def test_a_cluster_without_hosts_says_so_itself() -> None:
    class Empty:
        def open_stream(self, *arguments: object) -> None:
            raise NoHealthyHost

    cluster: Any = Empty()
    with pytest.raises(NoHealthyHost):
        World().tunnel.open(cluster, None)


def test_bytes_and_ends_go_both_ways(opened: World) -> None:
    opened.tunnel.write(b"ping")
    opened.tunnel.end_writing()
    assert opened.take(opened.encoder) == [("encode_data", b"ping", False), ("encode_data", b"", True)]
    opened.tunnel.on_data(b"pong", False)
    opened.tunnel.on_data(b"!", True)
    assert opened.take(opened.receiver) == [("on_upstream_data", b"pong"), ("on_upstream_data", b"!"), ("on_upstream_end",)]
    opened.tunnel.write(b"lost")  # nobody takes it any more
    assert opened.take(opened.encoder) == []


def test_trailers_end_it_too(opened: World) -> None:
    opened.tunnel.on_trailers(HeaderMap())
    assert opened.take(opened.receiver) == [("on_upstream_end",)]


def test_back_pressure_passes_and_is_counted_once(opened: World) -> None:
    for _ in range(2):
        opened.tunnel.pause_reading()
    for _ in range(2):
        opened.tunnel.resume_reading()
    assert opened.take(opened.encoder) == [("pause_reading",), ("resume_reading",)]
    opened.tunnel.on_write_blocked()
    opened.tunnel.on_write_ready()
    assert opened.take(opened.receiver) == [("on_upstream_blocked",), ("on_upstream_ready",)]


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        (StreamReset.CONNECTION_TERMINATION, ""),
        (StreamReset.PROTOCOL_ERROR, ""),
        (StreamReset.REMOTE_RESET, "remote reset"),
    ],
)
def test_how_it_breaks(opened: World, reason: StreamReset, error: str) -> None:
    opened.tunnel.on_reset(reason, "")
    assert opened.take(opened.receiver) == [("on_upstream_close", error)]


def test_a_closed_tunnel_tells_nothing(opened: World) -> None:
    opened.tunnel.close()
    assert opened.take(opened.encoder) == [("reset",)]
    opened.tunnel.on_data(b"late", True)
    opened.tunnel.on_reset(StreamReset.REMOTE_RESET, "")
    assert opened.take(opened.receiver) == []


def test_an_attempt_is_given_up_in_the_queue() -> None:
    world = World()
    cluster: Any = world
    world.tunnel.open(cluster, None)
    world.tunnel.cancel()
    assert world.take(world.pending) == [("cancel",)]


def listener(**tunnel: Any) -> Any:
    kind = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
    proxy = {"@type": kind, "stat_prefix": "t", "cluster": "c", "tunneling_config": {"hostname": "h.test:1", **tunnel}}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    chain = {"filters": [{"name": "tcp", "typed_config": proxy}]}
    return message("envoy.config.listener.v3.Listener", {"name": "l", "address": address, "filter_chains": [chain]})


def test_the_configuration() -> None:
    assert errors(listener(use_post=True, post_path="/x", propagate_response_headers=True)) == []
    at = "filter_chains[0].filters[0].typed_config.tunneling_config."
    assert errors(listener(post_path="/x")) == [at + "post_path: Can't set a post path when POST method isn't used"]
    [error] = errors(listener(hostname="%NOPE%"))
    assert error.startswith(at + "hostname: ")
