"""SIGTERM: what is under way ends well, what is idle goes at once, nothing new is accepted, and the process ends with the last connection.

Envoy differs: it ends at once.  What it does with every connection then stands beside ours.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from tests.support import bootstraps
from tests.support.drain_peers import GONE, OK, TOLD, Http1Peer, Http2Peer
from tests.support.envoy_process import envoy_process
from tests.support.our_process import our_process
from tests.support.proxy_process import ProxyProcess
from tests.support.tcp_peers import TcpUpstream, connect, echo
from tests.support.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.e2e

SLOW = b"GET /slow HTTP/1.1\r\nhost: a.test\r\n\r\n"
UPGRADE = b"GET /tunnel HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
CONNECT = b"CONNECT a.test:1 HTTP/1.1\r\nhost: a.test:1\r\n\r\n"


class Closing(Protocol):
    def close(self) -> None: ...


Peer = TypeVar("Peer", bound=Closing)


class Upstream:
    """Answers /slow when it is told to, and echoes the bytes of a tunnel."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.waiting = 0
        self.peer = TcpUpstream(self._serve)
        self.echo = TcpUpstream(echo)

    def _serve(self, connection: socket.socket) -> None:
        while head := connection.recv(65536):
            if b"/tunnel" in head:
                connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
                echo(connection)
                return
            if b"/stream" in head:
                connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            self.waiting += 1
            self.may_answer.wait(PATIENCE)
            last = b"4\r\nlast\r\n0\r\n\r\n" if b"/stream" in head else b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
            connection.sendall(last)

    def close(self) -> None:
        self.may_answer.set()
        self.peer.close()
        self.echo.close()


def routes() -> list[dict[str, Any]]:
    return [
        {"match": {"connect_matcher": {}}, "route": {"cluster": "echo", "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}]}},
        {"match": {"prefix": "/tunnel"}, "route": {"cluster": "slow", "upgrade_configs": [{"upgrade_type": "websocket"}]}},
        {"match": {"prefix": "/slow"}, "route": {"cluster": "slow", "timeout": "0s"}},
        {"match": {"prefix": "/stream"}, "route": {"cluster": "slow", "timeout": "0s"}},
        {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hello"}}},
    ]  # fmt: skip


class World:
    def __init__(self, directory: Path, *flags: str, start: Any = our_process, drain_time: int = 120) -> None:
        """drain_time: far longer than anybody waits for the end."""
        self.upstream = Upstream()
        tcp = {
            "@type": bootstraps.TYPE + "filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": "tcp",
            "cluster": "echo",
        }
        tcp_filters = [{"name": "envoy.filters.network.tcp_proxy", "typed_config": tcp}]
        http2 = {"allow_connect": True}
        upgrades = [{"upgrade_type": "CONNECT"}]
        bootstrap = bootstraps.static(
            [
                bootstraps.http_listener("http", routes(), http2_protocol_options=http2, upgrade_configs=upgrades),
                {"name": "tcp", "address": bootstraps.address(), "filter_chains": [{"filters": tcp_filters}]},
            ],
            [
                bootstraps.static_cluster("slow", self.upstream.peer.port),
                bootstraps.static_cluster("echo", self.upstream.echo.port),
            ],
        )
        self.proxy: ProxyProcess = start(bootstrap, directory, *flags, drain_time=drain_time)
        self.proxy.start()
        self.ports = self.proxy.wait_listeners(["http", "tcp"])
        self._opened: list[Closing] = []

    def keep(self, peer: Peer) -> Peer:
        """Close it in the end."""
        self._opened.append(peer)
        return peer

    def dial(self, listener: str) -> socket.socket:
        return self.keep(connect(self.ports[listener]))

    def h1(self) -> Http1Peer:
        return self.keep(Http1Peer(self.ports["http"]))

    def h2(self) -> Http2Peer:
        return self.keep(Http2Peer(self.ports["http"]))

    def terminate(self) -> None:
        os.kill(self.proxy.pid, signal.SIGTERM)
        wait_until(lambda: self.is_refused("http") and self.is_refused("tcp"), "nobody listens")

    def is_refused(self, listener: str) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.ports[listener]), timeout=PATIENCE).close()
        except (ConnectionRefusedError, ConnectionResetError):
            return True
        return False

    def wait_exit(self) -> int:
        wait_until(lambda: self.proxy.returncode is not None, "the process ends")
        assert self.proxy.returncode is not None
        return self.proxy.returncode

    def await_waiting(self, count: int) -> None:
        wait_until(lambda: self.upstream.waiting >= count, f"{count} requests are under way")

    def close(self) -> None:
        for each in self._opened:
            each.close()
        self.proxy.kill()
        self.upstream.close()


@contextmanager
def running(directory: Path, *flags: str, **more: Any) -> Iterator[World]:
    world = World(directory, *flags, **more)
    try:
        yield world
    finally:
        world.close()


@pytest.fixture(params=["one worker", "two workers"])
def workers(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Flags; the later one counts."""
    return ("--concurrency", "2") if request.param == "two workers" else ()


def read_to_end(connection: socket.socket) -> bytes:
    received = b""
    while data := connection.recv(65536):
        received += data
    return received


def test_what_is_under_way_ends_and_the_process_with_it(tmp_path: Path, workers: tuple[str, ...]) -> None:
    with running(tmp_path, *workers) as world:
        idle, idle2 = world.h1(), world.h2()
        assert (idle.ask(), idle2.ask()) == (OK, OK)
        busy, begun, busy2 = world.dial("http"), world.dial("http"), world.h2()
        busy.sendall(SLOW)
        begun.sendall(SLOW.replace(b"/slow", b"/stream"))
        stream = busy2.begin(b"/slow")
        world.await_waiting(3)
        world.terminate()
        assert world.proxy.admin.request("/ready").status == 503
        assert world.proxy.admin.get_json("/server_info")["state"] == "DRAINING"
        assert (idle.ask(), idle2.ask()) == (GONE, GONE)
        assert idle2.was_told
        assert world.proxy.returncode is None
        world.upstream.may_answer.set()
        answer = read_to_end(busy)
        assert answer.endswith(b"\r\n\r\nhello")
        assert b"\r\nconnection: close\r\n" in answer
        assert read_to_end(begun).endswith(b"\r\n4\r\nlast\r\n0\r\n\r\n")
        busy2.read_to_end()
        assert busy2.has_answer(stream)
        assert busy2.was_told
        assert world.wait_exit() == 0


def test_an_http2_client_is_told_while_its_stream_goes_on(tmp_path: Path, workers: tuple[str, ...]) -> None:
    """One with a stream that lasts for long would send its next requests there, too."""
    with running(tmp_path, *workers) as world:
        peer = world.h2()
        stream = peer.begin(b"/stream")
        world.await_waiting(1)
        world.terminate()
        peer.read_until_told()
        assert not peer.has_answer(stream)
        world.upstream.may_answer.set()
        peer.read_to_end()
        assert peer.has_answer(stream)
        assert world.wait_exit() == 0


def tunnels(world: World) -> dict[str, socket.socket]:
    """Connections without an end of their own."""
    opened = {"tcp": world.dial("tcp")}
    for name, head, granted in (("websocket", UPGRADE, b"101 "), ("connect", CONNECT, b"200 ")):
        opened[name] = world.dial("http")
        opened[name].sendall(head)
        assert granted in opened[name].recv(65536)
    for each in opened.values():
        exchange(each)
    return opened


def exchange(connection: socket.socket) -> None:
    connection.sendall(b"ping")
    received = b""
    while len(received) < 4:
        data = connection.recv(65536)
        assert data, "closed"
        received += data
    assert received == b"ping"


def test_tunnels_live_until_their_clients_end_them(tmp_path: Path, workers: tuple[str, ...]) -> None:
    with running(tmp_path, *workers) as world:
        opened = tunnels(world)
        world.terminate()
        for each in opened.values():
            exchange(each)
        assert world.proxy.returncode is None
        for each in opened.values():
            each.close()
        assert world.wait_exit() == 0


@pytest.mark.parametrize("strategy", ["gradual", "immediate"])
def test_the_drain_time_is_the_end_of_all(tmp_path: Path, strategy: str) -> None:
    """Whatever the strategy; --parent-shutdown-time-s belongs to hot restarts."""
    with running(tmp_path, "--drain-strategy", strategy, "--parent-shutdown-time-s", "120", drain_time=1) as world:
        opened = tunnels(world)
        busy = world.dial("http")
        busy.sendall(SLOW)
        world.await_waiting(1)
        started = time.monotonic()
        world.terminate()
        assert world.wait_exit() == 0
        assert time.monotonic() - started > 0.8
        assert [each.recv(100) for each in (*opened.values(), busy)] == [b""] * 4


def test_a_second_signal_ends_it_at_once(tmp_path: Path, workers: tuple[str, ...]) -> None:
    with running(tmp_path, *workers) as world:
        opened = tunnels(world)
        world.terminate()
        exchange(opened["tcp"])
        os.kill(world.proxy.pid, signal.SIGTERM)
        assert world.wait_exit() == 0
        assert [each.recv(100) for each in opened.values()] == [b""] * 3


def test_a_gradual_drain_that_was_asked_for_first_does_not_slow_the_end(tmp_path: Path, workers: tuple[str, ...]) -> None:
    """As a preStop hook does it: answers to what was under way say that they are the last."""
    with running(tmp_path, *workers) as world:
        busy = world.dial("http")
        busy.sendall(SLOW)
        world.await_waiting(1)
        assert world.proxy.admin.request("/drain_listeners?graceful", "POST").status == 200
        assert world.h1().ask() in (OK, TOLD)
        world.terminate()
        world.upstream.may_answer.set()
        assert b"\r\nconnection: close\r\n" in read_to_end(busy)
        assert world.wait_exit() == 0


def test_envoy_ends_at_once(tmp_path: Path) -> None:
    with running(tmp_path, start=envoy_process) as world:
        opened = tunnels(world)
        busy = world.dial("http")
        busy.sendall(SLOW)
        world.await_waiting(1)
        os.kill(world.proxy.pid, signal.SIGTERM)
        assert world.wait_exit() == 0
        assert [each.recv(100) for each in (*opened.values(), busy)] == [b""] * 4
