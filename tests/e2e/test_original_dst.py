"""Connections go to the listener, and to the host, that they were bound for.

The same expectations hold for a real Envoy, where one is installed.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import bootstraps
from tests.support.envoy_process import envoy_process
from tests.support.network_namespace import own_network, redirect
from tests.support.our_process import our_process
from tests.support.proxy_process import ProxyProcess
from tests.support.tcp_peers import TcpUpstream, connect, read_to_end

pytestmark = pytest.mark.e2e

PREFIX = bootstraps.TYPE + "filters."
PROCESSES = {"ours": our_process, "envoy": envoy_process}


def says(text: bytes) -> Callable[[socket.socket], None]:
    """An upstream that says something and ends."""
    return lambda connection: connection.sendall(text)


def tcp_listener(name: str, cluster: str, address: dict[str, Any], **more: Any) -> dict[str, Any]:
    proxy = {"@type": PREFIX + "network.tcp_proxy.v3.TcpProxy", "stat_prefix": name, "cluster": cluster}
    chain = {"filters": [{"name": "tcp", "typed_config": proxy}]}
    return {"name": name, "stat_prefix": name, "address": address, "filter_chains": [chain], **more}


def listener_filter(name: str, message: str) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": f"{PREFIX}listener.{name}.v3.{message}"}}


def original_dst_cluster(port: int) -> dict[str, Any]:
    """Sends connections to the host they were bound for, but at *port*."""
    config = {"upstream_port_override": port}
    return {"name": "bound for", "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED", "original_dst_lb_config": config}


@pytest.fixture(params=list(PROCESSES))
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., ProxyProcess]:
    def started(*resources: Any) -> ProxyProcess:
        process = PROCESSES[request.param](bootstraps.static(*resources), tmp_path)
        process.start()
        request.addfinalizer(process.kill)
        return process

    return started


def unused_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def test_a_restored_destination_finds_its_listener(start: Callable[..., ProxyProcess]) -> None:
    exact, wild, nobodys = unused_ports(3)
    filters = [listener_filter("proxy_protocol", "ProxyProtocol")]
    anywhere = {"socket_address": {"address": "0.0.0.0", "port_value": wild}}
    with TcpUpstream(says(b"front")) as front, TcpUpstream(says(b"exact")) as one, TcpUpstream(says(b"wild")) as other:
        upstreams = {"front": front, "exact": one, "wild": other}
        process = start(
            [
                tcp_listener("front", "front", bootstraps.address(), listener_filters=filters, use_original_dst=True),
                tcp_listener("exact", "exact", bootstraps.address(exact), bind_to_port=False),
                tcp_listener("wild", "wild", anywhere, bind_to_port=False),
            ],
            [bootstraps.static_cluster(name, upstream.port) for name, upstream in upstreams.items()],
        )
        port = process.wait_listeners(["front"])["front"]

        def ask(host: str, destination: int) -> bytes:
            with connect(port) as client:
                client.sendall(f"PROXY TCP4 1.2.3.4 {host} 1 {destination}\r\n".encode())
                return read_to_end(client)[0]

        assert ask("127.0.0.1", exact) == b"exact"
        assert ask("127.0.0.1", wild) == b"wild"
        assert ask("10.0.0.9", wild) == b"wild"
        assert ask("10.0.0.9", exact) == b"front"
        assert ask("127.0.0.1", nobodys) == b"front"
        stats = process.admin.stats("downstream_cx_total")
        assert [stats[f"listener.{name}.downstream_cx_total"] for name in upstreams] == [2, 1, 2]
        with pytest.raises(ConnectionRefusedError):
            connect(exact)


def test_a_redirected_connection_goes_where_it_was_bound_for(start: Callable[..., ProxyProcess]) -> None:
    handed_over, passed_through = 8080, 9090
    filters = [listener_filter("original_dst", "OriginalDst")]
    with own_network(), TcpUpstream(says(b"origin")) as origin, TcpUpstream(says(b"other")) as other:
        process = start(
            [
                tcp_listener("front", "bound for", bootstraps.address(), listener_filters=filters, use_original_dst=True),
                tcp_listener("other", "other", bootstraps.address(handed_over), bind_to_port=False),
            ],
            [original_dst_cluster(origin.port), bootstraps.static_cluster("other", other.port)],
        )
        port = process.wait_listeners(["front"])["front"]
        redirect(handed_over, port)
        redirect(passed_through, port)
        for destination, expected in ((passed_through, b"origin"), (handed_over, b"other")):
            with connect(destination) as client:
                assert read_to_end(client)[0] == expected
        hosts = process.admin.get("/clusters")
        assert f"bound for::127.0.0.1:{origin.port}::cx_total::1" in hosts
        process.kill()
