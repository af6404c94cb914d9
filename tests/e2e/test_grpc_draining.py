"""gRPC streams of every kind while the proxy drains, grpcio on both sides: none is cut, and each ends with its own status."""

from __future__ import annotations

import os
import queue
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.support import bootstraps
from tests.support.grpc_peers import EchoClient, EchoServer
from tests.support.our_process import our_process
from tests.support.proxy_process import ProxyProcess
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

TIMEOUT = 60.0
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
HTTP2 = {
    _OPTIONS: {
        "@type": bootstraps.TYPE + "upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}


def start(directory: Path, port: int, workers: int, drain_time: int = 120) -> ProxyProcess:
    routes = [{"match": {"prefix": "/test.Echo/"}, "route": {"cluster": "up", "timeout": "0s"}}]
    bootstrap = bootstraps.static(
        [bootstraps.http_listener("in", routes, codec_type="HTTP2", drain_timeout="0.2s")],
        [bootstraps.static_cluster("up", port, typed_extension_protocol_options=HTTP2)],
    )
    proxy = our_process(bootstrap, directory, "--concurrency", str(workers), drain_time=drain_time)
    proxy.start()
    return proxy


class Calls:
    """One call of each kind, on a connection of its own, with its first messages exchanged."""

    def __init__(self, port: int) -> None:
        self.clients = [EchoClient(port) for _ in range(3)]
        self._uploads: tuple[queue.SimpleQueue[bytes | None], ...] = (queue.SimpleQueue(), queue.SimpleQueue())
        counting, summing, chatting = self.clients
        # More than the client takes unread: the stream is under way when the drain begins.
        self.count: Any = counting.count(b"7000", timeout=TIMEOUT)
        self.total: Any = summing.total.future(iter(self._uploads[0].get, None), timeout=TIMEOUT)
        self.chat: Any = chatting.chat(iter(self._uploads[1].get, None), timeout=TIMEOUT)
        assert next(iter(self.count)) == b"0"
        self._uploads[0].put(b"abc")
        self.says("one")

    def says(self, message: str) -> None:
        self._uploads[1].put(message.encode())
        assert next(self.chat) == message[::-1].encode()

    def end(self) -> None:
        """Every call goes on, and ends as it does without a drain."""
        assert sum(1 for _ in self.count) == 6_999
        assert self.count.code() is grpc.StatusCode.OK
        self._uploads[0].put(b"defg")
        self._uploads[0].put(None)
        assert self.total.result() == b"7"
        assert self.total.code() is grpc.StatusCode.OK
        self.says("two")
        self._uploads[1].put(None)
        assert list(self.chat) == []
        assert self.chat.code() is grpc.StatusCode.OK

    def close(self) -> None:
        for upload in self._uploads:
            upload.put(None)
        for client in self.clients:
            client.__exit__()


def terminate(proxy: ProxyProcess) -> None:
    os.kill(proxy.pid, signal.SIGTERM)
    wait_until(lambda: proxy.admin.get_json("/server_info")["state"] == "DRAINING", "the drain begins")


def drain_listeners(proxy: ProxyProcess) -> None:
    assert proxy.admin.request("/drain_listeners?graceful", "POST").status == 200


@pytest.fixture
def server() -> Iterator[EchoServer]:
    with EchoServer() as made:
        yield made


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("drain", [terminate, drain_listeners])
def test_streams_end_as_if_nothing_had_happened(
    tmp_path: Path, server: EchoServer, workers: int, drain: Callable[[ProxyProcess], None]
) -> None:
    proxy = start(tmp_path, server.port, workers)
    calls = None
    try:
        calls = Calls(proxy.wait_listeners(["in"])["in"])
        drain(proxy)
        calls.says("still here")
        calls.end()
        calls.close()
        if drain is terminate:
            wait_until(lambda: proxy.returncode is not None, "the process ends with its last stream")
            assert proxy.returncode == 0
    finally:
        if calls is not None:
            calls.close()
        proxy.kill()


def test_a_stream_beyond_the_drain_time_is_told_that_its_server_is_gone(tmp_path: Path, server: EchoServer) -> None:
    proxy = start(tmp_path, server.port, 1, drain_time=1)
    calls = None
    try:
        calls = Calls(proxy.wait_listeners(["in"])["in"])
        terminate(proxy)
        wait_until(lambda: proxy.returncode is not None, "the process ends")
        with pytest.raises(grpc.RpcError) as failed:
            next(calls.chat)
        assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
    finally:
        if calls is not None:
            calls.close()
        proxy.kill()
