"""Tunnels in every combination of protocols, ours beside Envoy: CONNECT, WebSocket over HTTP/2, TCP through a CONNECT."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support import bootstraps
from tests.support.envoy_process import envoy_process
from tests.support.our_process import our_process
from tests.support.proxy_process import ProxyProcess
from tests.support.tunnel_peers import H1Host, H2Host, PlainHost, h2_client
from tests.support.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.e2e

HTTP2 = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": bootstraps.TYPE + "upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {"allow_connect": True}},
    }
}
ENDS_HERE = {"upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}]}


def connect_to(authority: str, cluster: str, **route: Any) -> dict[str, Any]:
    header = {"name": ":authority", "string_match": {"prefix": authority}}
    return {"match": {"connect_matcher": {}, "headers": [header]}, "route": {"cluster": cluster, **route}}


def tcp_listener(name: str, cluster: str, hostname: str, **tunnel: Any) -> dict[str, Any]:
    proxy = {
        "@type": bootstraps.TYPE + "filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": name,
        "cluster": cluster,
        "max_connect_attempts": 2,
        "tunneling_config": {"hostname": hostname, **tunnel},
    }
    filters = [{"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}]
    return {"name": name, "address": bootstraps.address(), "filter_chains": [{"filters": filters}]}


LISTENERS = ("web", "over_h1", "over_h2", "posting", "refused")


@dataclass
class World:
    process: ProxyProcess
    ports: dict[str, int]
    h1: H1Host
    h2: H2Host

    def stat(self, name: str) -> int:
        return next(iter(self.process.admin.stats(f"^{name}$").values()))


@pytest.fixture(scope="module", params=["ours", "envoy"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    plain, h1, h2 = PlainHost(), H1Host(), H2Host()
    routes = [
        connect_to("plain", "plain", **ENDS_HERE),
        connect_to("two", "h2"),
        connect_to("off", "h1", upgrade_configs=[{"upgrade_type": "CONNECT", "enabled": False}]),
        {"match": {"connect_matcher": {}}, "route": {"cluster": "h1"}},
        {"match": {"prefix": "/two"}, "route": {"cluster": "h2"}},
        {"match": {"prefix": "/"}, "route": {"cluster": "h1"}},
    ]
    upgrades = [{"upgrade_type": "websocket"}, {"upgrade_type": "CONNECT"}]
    http = bootstraps.http_listener("web", routes, upgrade_configs=upgrades, http2_protocol_options={"allow_connect": True})
    listeners = [
        http,
        tcp_listener(
            "over_h1", "h1", "h.test:%DOWNSTREAM_LOCAL_PORT%", headers_to_add=[{"header": {"key": "x-a", "value": "b"}}]
        ),
        tcp_listener("over_h2", "h2", "h.test:1"),
        tcp_listener("posting", "h2", "h.test", use_post=True, post_path="/tunnel"),
        tcp_listener("refused", "h1", "refuse:1"),
    ]
    clusters = [
        bootstraps.static_cluster("plain", plain.port),
        bootstraps.static_cluster("h1", h1.port),
        bootstraps.static_cluster("h2", h2.port, typed_extension_protocol_options=HTTP2),
    ]
    make = our_process if request.param == "ours" else envoy_process
    process = make(bootstraps.static(listeners, clusters), tmp_path_factory.mktemp(request.param))
    process.start()
    try:
        yield World(process, process.wait_listeners(LISTENERS), h1, h2)
    finally:
        process.stop()
        for host in (plain, h1, h2):
            host.close()


def talk(connection: socket.socket, send: bytes, until: bytes) -> bytes:
    """Send, and read until the last bytes of what came are *until*."""
    connection.sendall(send)
    received = b""
    while not received.endswith(until):
        data = connection.recv(65536)
        assert data, f"the connection ended after {received!r}"
        received += data
    return received


UPGRADE = b"GET %b HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


class TestConnect:
    def test_it_ends_at_the_proxy(self, world: World) -> None:
        with h2_client(world.ports["web"]) as client:
            stream = client.connect(b"plain.test:443")
            assert client.take_status(stream) == b"200"
            client.send(stream, b"ping")
            client.take_data(stream, b"<ping>")
            client.send(stream, b"", end=True)
            client.take(lambda: stream in client.ended)
            assert client.data[stream] == b"<ping>LAST"

    @pytest.mark.parametrize("authority", [b"one.test:443", b"two.test:443"])
    def test_it_goes_on_from_http2(self, world: World, authority: bytes) -> None:
        with h2_client(world.ports["web"]) as client:
            stream = client.connect(authority)
            assert client.take_status(stream) == b"200"
            client.send(stream, b"ping")
            client.take_data(stream, b"<ping>")

    def test_it_goes_on_from_http1_to_http2(self, world: World) -> None:
        with socket.create_connection(("127.0.0.1", world.ports["web"]), timeout=PATIENCE) as client:
            head = talk(client, b"CONNECT two.test:443 HTTP/1.1\r\nHost: two.test:443\r\n\r\n", b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\nx-host: h2\r\n")
            assert talk(client, b"ping", b">") == b"<ping>"
        assert ":method: CONNECT" in world.h2.heads[-1]
        assert ":authority: two.test:443" in world.h2.heads[-1]
        assert ":path" not in world.h2.heads[-1]

    def test_many_on_one_connection_do_not_mix(self, world: World) -> None:
        with h2_client(world.ports["web"]) as client:
            streams = [client.connect(authority) for authority in (b"plain:1", b"one:1", b"two:1") * 5]
            for stream in streams:
                assert client.take_status(stream) == b"200"
                client.send(stream, b"%d" % stream)
            for stream in streams:
                client.take_data(stream, b"<%d>" % stream)
            active = "http.web.downstream_cx_upgrades_active"
            wait_until(lambda: world.stat(active) == len(streams), "these tunnels, and none of another test's")
            client.reset(streams[0])
            wait_until(lambda: world.stat(active) == len(streams) - 1, "one tunnel less")
        wait_until(lambda: world.stat(active) == 0, "no tunnel")

    def test_a_refusal_is_passed_on(self, world: World) -> None:
        with h2_client(world.ports["web"]) as client:
            stream = client.connect(b"refuse:443")
            assert client.take_status(stream) == b"403"
            client.take(lambda: stream in client.resets)
            assert client.resets[stream] == 0

    def test_a_route_may_forbid_it(self, world: World) -> None:
        with h2_client(world.ports["web"]) as client:
            assert client.take_status(client.connect(b"off:443")) == b"403"


class TestWebSocket:
    def test_from_http2_to_http1(self, world: World) -> None:
        with h2_client(world.ports["web"]) as client:
            stream = client.upgrade(b"/one")
            assert client.take_status(stream) == b"200"
            assert client.responses[stream][b"x-host"] == b"h1"
            assert b"upgrade" not in client.responses[stream]
            client.send(stream, b"ping")
            client.take_data(stream, b"<ping>")
        head = world.h1.heads[-1].split("\r\n")
        assert head[0] == "GET /one HTTP/1.1"
        assert {"upgrade: websocket", "connection: upgrade"} <= set(head)

    def test_from_http1_to_http2(self, world: World) -> None:
        with socket.create_connection(("127.0.0.1", world.ports["web"]), timeout=PATIENCE) as client:
            head = talk(client, UPGRADE % b"/two", b"\r\n\r\n")
            assert head.startswith(
                b"HTTP/1.1 101 Switching Protocols\r\nx-host: h2\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            )
            assert talk(client, b"ping", b">") == b"<ping>"
        head_lines = world.h2.heads[-1].split("\n")
        assert {":method: CONNECT", ":protocol: websocket", ":path: /two"} <= set(head_lines)
        assert not any(line.startswith(("upgrade", "connection")) for line in head_lines)

    def test_from_http2_to_http2_with_early_bytes(self, world: World) -> None:
        with h2_client(world.ports["web"]) as client:
            stream = client.upgrade(b"/two")
            client.send(stream, b"ping")
            assert client.take_status(stream) == b"200"
            client.take_data(stream, b"<ping>")
            client.send(stream, b"", end=True)
            client.take_data(stream, b"<ping>LAST")
            client.take(lambda: stream in client.ended)

    def test_another_protocol_is_forbidden(self, world: World) -> None:
        with h2_client(world.ports["web"]) as client:
            assert client.take_status(client.upgrade(b"/one", b"other")) == b"403"

    def test_megabytes_pass_both_ways(self, world: World) -> None:
        size = 8 << 20
        with h2_client(world.ports["web"]) as client:
            stream = client.upgrade(b"/one")
            assert client.take_status(stream) == b"200"
            for _ in range(8):
                client.send(stream, b"x" * (size // 8))
            client.take(lambda: client.data.get(stream, b"").count(b"x") == size)


class TestTcpThroughATunnel:
    @pytest.mark.parametrize(
        ("listener", "heads"),
        [
            ("over_h1", ("CONNECT h.test:", "x-a: b")),
            ("over_h2", (":method: CONNECT", ":authority: h.test:1")),
            ("posting", (":method: POST", ":path: /tunnel", ":authority: h.test")),
        ],
    )
    def test_bytes_pass(self, world: World, listener: str, heads: tuple[str, ...]) -> None:
        with socket.create_connection(("127.0.0.1", world.ports[listener]), timeout=PATIENCE) as client:
            assert talk(client, b"ping", b">") == b"<ping>"
            asked = (world.h1 if listener == "over_h1" else world.h2).heads[-1]
            assert all(head in asked for head in heads)
            assert "x-request-id" not in asked

    def test_the_host_hears_of_the_end(self, world: World) -> None:
        with socket.create_connection(("127.0.0.1", world.ports["over_h2"]), timeout=PATIENCE) as client:
            assert talk(client, b"ping", b">") == b"<ping>"
            client.shutdown(socket.SHUT_WR)
            with client.makefile("rb") as rest:
                assert rest.read() == b"LAST"

    def test_a_tunnel_that_is_refused_is_tried_again_and_given_up(self, world: World) -> None:
        before = len(world.h1.heads)
        with socket.create_connection(("127.0.0.1", world.ports["refused"]), timeout=PATIENCE) as client:
            assert client.recv(1) == b""
        assert len(world.h1.heads) == before + 2
        assert world.stat("cluster.h1.upstream_cx_connect_attempts_exceeded") == 1

    def test_megabytes_pass_both_ways(self, world: World) -> None:
        size = 8 << 20
        with socket.create_connection(("127.0.0.1", world.ports["over_h2"]), timeout=PATIENCE) as client:
            assert talk(client, b"start", b">") == b"<start>"
            received = 0
            with client.dup() as sender:
                thread = threading.Thread(target=sender.sendall, args=(b"x" * size,))
                thread.start()
                while received < size:
                    received += client.recv(1 << 20).count(b"x")
                thread.join()
