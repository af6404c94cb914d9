"""Upstreams learn from a PROXY header who is behind a connection, ours beside Envoy."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support import bootstraps
from tests.support.envoy_process import envoy_process
from tests.support.our_process import our_process
from tests.support.tcp_peers import ThreadedPeer
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.e2e

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
REQUEST = b"GET / HTTP/1.1\r\nhost: a.test\r\nx-forwarded-for: 1.2.3.4\r\n\r\n"


class Host(ThreadedPeer):
    """Answers each `GET` and `ping`; keeps what came on each connection."""

    def __init__(self) -> None:
        self.received: list[bytearray] = []
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        mine = bytearray()
        self.received.append(mine)
        while data := connection.recv(65536):
            mine += data
            if b"GET" in data:
                connection.sendall(ANSWER)
            elif b"ping" in data:
                connection.sendall(b"pong")


@dataclass
class World:
    ports: dict[str, int]
    host: Host

    def connect(self, listener: str) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.ports[listener]), timeout=PATIENCE)


def cluster(name: str, port: int, **config: Any) -> dict[str, Any]:
    raw = {"name": "raw", "typed_config": {"@type": bootstraps.TYPE + "transport_sockets.raw_buffer.v3.RawBuffer"}}
    kind = bootstraps.TYPE + "transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport"
    made = {"name": "pp", "typed_config": {"@type": kind, "config": config, "transport_socket": raw}}
    return bootstraps.static_cluster(name, port, transport_socket=made)


@pytest.fixture(scope="module", params=["ours", "envoy"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    host = Host()
    kind = bootstraps.TYPE + "filters.network.tcp_proxy.v3.TcpProxy"
    proxy = {"name": "tcp", "typed_config": {"@type": kind, "stat_prefix": "tcp", "cluster": "one"}}
    listeners = [
        bootstraps.http_listener("http", [{"match": {"prefix": "/"}, "route": {"cluster": "two"}}]),
        {"name": "tcp", "address": bootstraps.address(), "filter_chains": [{"filters": [proxy]}]},
    ]
    clusters = [cluster("one", host.port), cluster("two", host.port, version="V2", added_tlvs=[{"type": 5, "value": "YWI="}])]
    make = our_process if request.param == "ours" else envoy_process
    process = make(bootstraps.static(listeners, clusters), tmp_path_factory.mktemp(request.param))
    process.start()
    try:
        yield World(process.wait_listeners(["http", "tcp"]), host)
    finally:
        process.stop()
        host.close()


def test_before_plain_bytes(world: World) -> None:
    with world.connect("tcp") as client:
        client.sendall(b"ping")
        assert client.recv(100) == b"pong"
        source, destination = client.getsockname()[1], client.getpeername()[1]
        assert world.host.received[-1] == b"PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\nping" % (source, destination)


def test_clients_do_not_share_connections(world: World) -> None:
    before = len(world.host.received)
    clients = [world.connect("http") for _ in range(2)]
    for client in clients * 2:
        client.sendall(REQUEST)
        answer = b""
        while not answer.endswith(b"ok"):
            answer += client.recv(65536)
    received = world.host.received[before:]
    assert [each.count(b"GET") for each in received] == [2, 2]
    for client, head in zip(clients, received, strict=True):
        ports = client.getsockname()[1].to_bytes(2) + client.getpeername()[1].to_bytes(2)
        told = bytes.fromhex("21 11 0011 7f000001 7f000001") + ports + b"\x05\0\x02ab"
        assert head.startswith(b"\r\n\r\n\0\r\nQUIT\n" + told + b"GET")
        client.close()
