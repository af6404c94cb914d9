"""What one exchange costs upstream: `python -m bench.micro.upstream_exchange` prints CPU microseconds per request.

Two numbers from the same run: the pool with its connections, and bare uvloop sockets that send the same bytes (what the system takes).
Their difference is what pool, request head and response head cost.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import random
import socket
import time
from collections.abc import Callable

import uvloop

from dataplane.base.address import SocketAddress
from dataplane.base.deadlines import DeadlineWheel
from dataplane.observe.stats import StatsStore
from dataplane.semantics.header_map import RequestHeaders
from dataplane.snapshot.cluster import Cluster, DiscoveryType, Endpoint, LoadAssignment, Locality, LocalityEndpoints
from dataplane.upstream.cluster import UpstreamCluster
from dataplane.upstream.runtime import UpstreamRuntime

REQUESTS = 40_000
CONNECTIONS = 32
ROUNDS = 3
FIELDS = [
    (b"user-agent", b"curl/7.88"),
    (b"accept", b"*/*"),
    (b"x-forwarded-proto", b"http"),
    (b"x-request-id", b"0b3ffa2c-5d3e-4f0e-8f0e-0123456789ab"),
    (b"x-envoy-expected-rq-timeout-ms", b"15000"),
]
REQUEST = b"GET /x HTTP/1.1\r\nhost: a.example\r\n" + b"".join(b"%b: %b\r\n" % field for field in FIELDS) + b"\r\n"
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22\r\nDate: Mon, 12 Jan 2026 00:00:00 GMT\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 43\r\nConnection: keep-alive\r\n\r\n" + b"x" * 43
)


class _Answering(asyncio.Protocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(RESPONSE * data.count(b"\r\n\r\n"))


def _serve(listening: socket.socket) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(_Answering, sock=listening)
        await server.serve_forever()

    uvloop.run(run())


class _Countdown:
    """Starts the next exchange until enough were done."""

    def __init__(self, start: Callable[[], None]) -> None:
        self.left = REQUESTS
        self.start = start
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def one(self) -> None:
        self.left -= 1
        if self.left >= CONNECTIONS:
            self.start()
        elif not self.left:
            self.done.set_result(None)


class _Bare(asyncio.Protocol):
    """Sends the bytes of a request whenever those of a response came."""

    countdown: _Countdown

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.countdown.left > CONNECTIONS:
            self.transport.write(REQUEST)
        self.countdown.one()


class _Receiver:
    """Takes a response as the router does where no retry is possible: whole."""

    __slots__ = ("_countdown",)

    takes_whole = True

    def __init__(self, countdown: _Countdown) -> None:
        self._countdown = countdown

    def on_pool_ready(self, encoder, host, connection) -> None:  # type: ignore[no-untyped-def]
        encoder.encode_headers(RequestHeaders(b"GET", b"/x", b"a.example", b"http", FIELDS), True)

    def on_whole(self, headers: object, body: bytes) -> None:
        self._countdown.one()


async def _bare(port: int) -> float:
    countdown = _Countdown(lambda: None)
    loop = asyncio.get_running_loop()
    connections = [(await loop.create_connection(_Bare, "127.0.0.1", port))[1] for _ in range(CONNECTIONS)]
    begun = time.process_time()
    for connection in connections:
        connection.countdown = countdown
        connection.transport.write(REQUEST)
    await countdown.done
    return (time.process_time() - begun) / REQUESTS * 1e6


async def _pooled(port: int) -> float:
    loop = asyncio.get_running_loop()
    runtime = UpstreamRuntime(
        loop, DeadlineWheel(loop.time, loop.call_at), StatsStore(), random.random, itertools.count(1).__next__
    )
    cluster = UpstreamCluster(Cluster("c", DiscoveryType.STATIC), runtime)
    endpoint = Endpoint(SocketAddress("127.0.0.1", port))
    cluster.assign(LoadAssignment("c", (LocalityEndpoints(Locality(), (endpoint,)),)))

    def start() -> None:
        cluster.open_stream(_Receiver(countdown), None, 0)  # type: ignore[arg-type]

    countdown = _Countdown(start)
    begun = time.process_time()
    for _ in range(CONNECTIONS):
        start()
    await countdown.done
    spent = (time.process_time() - begun) / REQUESTS * 1e6
    cluster.close()
    return spent


def main() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    server = multiprocessing.get_context("fork").Process(target=_serve, args=(listening,), daemon=True)
    server.start()
    try:
        bare = min(uvloop.run(_bare(port)) for _ in range(ROUNDS))
        pooled = min(uvloop.run(_pooled(port)) for _ in range(ROUNDS))
    finally:
        server.terminate()
        server.join()
    print(f"bare sockets {bare:.1f} us, pool {pooled:.1f} us, the pool's share {pooled - bare:.1f} us")


if __name__ == "__main__":
    main()
