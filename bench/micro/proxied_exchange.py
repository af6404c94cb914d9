"""What Python takes of one exchange: `python -m bench.micro.proxied_exchange [CASE …]` prints CPU microseconds per request.

The whole proxy, from the bytes of requests to the bytes of responses, on transports that are no sockets; so the kernel and the load generator
have no part in it, and a change of a few per cent shows.  The peers' own work is not timed.  `--calls N` prints the N functions that take most.
Cases are scenarios of `python -m bench`: 8 connections, over HTTP/2 with 16 requests at a time each.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import json
import os
import pstats
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import click
import ngh2
import uvloop

from bench import scenarios
from bench.micro.secure_client import SecureClient, trusting_context
from bench.scenario import Place
from bench.scenarios import grpc_unary, h1
from bench.upstream import ANSWER, BODY
from dataplane.api.network_filter import ServerContext
from dataplane.base.deadlines import DeadlineWheel
from dataplane.bootstrap.load import load
from dataplane.compile.context import CompileContext
from dataplane.compile.link import link
from dataplane.compile.message_types import type_url_of
from dataplane.compile.resource import compile_resource
from dataplane.listener.connection import Connection
from dataplane.observe.log_file import LogFiles
from dataplane.observe.stats import StatsStore
from dataplane.server.workers.shared_counts import Allotment, Counts, CountTable, of_cluster
from dataplane.snapshot.snapshot import Holder
from dataplane.upstream import cluster
from dataplane.upstream.cluster_manager import ClusterManager

CONNECTIONS = 8
STREAMS = 16
PASSES = 60  # a round: so many times all connections

H1_REQUEST = b"GET %b HTTP/1.1\r\nhost: 127.0.0.1:18080\r\n\r\n" % h1.PATH.encode()
H2_REQUEST = (
    (b":path", h1.PATH.encode()),
    (b":scheme", b"http"),
    (b":authority", b"127.0.0.1:18080"),
    (b"user-agent", b"h2load nghttp2/1.52.0"),
)
GET = ((b":method", b"GET"), *H2_REQUEST)
POST = (
    (b":method", b"POST"),
    *H2_REQUEST,
    *(tuple(part.encode() for part in line.split(": ")) for line in grpc_unary.SCENARIO.load.headers),  # type: ignore[attr-defined]
    (b"content-length", b"25"),
)
H2_RESPONSE = (
    (b":status", b"200"),
    (b"server", b"nginx"),
    (b"date", b"Mon, 23 Nov 2026 10:00:00 GMT"),
    (b"content-type", b"text/plain"),
    (b"content-length", b"43"),
)


class Wire:
    """A transport that keeps what was written to it."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.write = self.written.append
        self.protocol: Any = None

    def take(self) -> bytes:
        taken = b"".join(self.written)
        self.written.clear()
        return taken

    def get_extra_info(self, name: str) -> object:
        return {"sockname": ("127.0.0.1", 18080), "peername": ("127.0.0.1", 4000)}.get(name)

    def set_protocol(self, protocol: object) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return False

    def close(self) -> None: ...

    def set_write_buffer_limits(self, high: int) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class H1Peer:
    """Sends a request, or answers each that it got, without reading more of it than its end."""

    per_pass = 1

    def requests(self) -> bytes:
        return H1_REQUEST

    def answers(self, received: bytes) -> bytes:
        return ANSWER * received.count(b"\r\n\r\n")

    def count(self, received: bytes) -> int:
        return received.count(BODY)


class H1TlsPeer(H1Peer):
    """A client over TLS, once `shake_hands` has been called."""

    def __init__(self) -> None:
        self.client = SecureClient(trusting_context("http/1.1"))

    def requests(self) -> bytes:
        return self.client.encrypt(super().requests())

    def count(self, received: bytes) -> int:
        return super().count(self.client.decrypt(received))


class H2Peer:
    """One end of an HTTP/2 connection."""

    per_pass = STREAMS

    def __init__(self, role: ngh2.Role, request: Any = GET, body: bytes = b"") -> None:
        self.session = ngh2.Connection(role, ngh2.Configuration(peer_max_concurrent_streams=1000))
        self.session.initiate_connection({3: 1000, 4: 1 << 20})
        self.request = request
        self.body = body

    def requests(self) -> bytes:
        for _ in range(STREAMS):
            stream_id = self.session.send_request(self.request, end_stream=not self.body)
            if self.body:
                self.session.send_data(stream_id, self.body, end_stream=True)
        return self.session.data_to_send()

    def answers(self, received: bytes) -> bytes:
        written = []
        for stream_id in self._ended(received):
            self.session.send_response(stream_id, H2_RESPONSE)
            self.session.send_data(stream_id, BODY, end_stream=True)
            written.append(self.session.data_to_send())  # head and body side by side, as servers do
        return b"".join(written) or self.session.data_to_send()

    def count(self, received: bytes) -> int:
        return len(self._ended(received))

    def _ended(self, received: bytes) -> list[int]:
        self.session.receive_data(received)
        return [event.stream_id for event in self.session.events() if getattr(event, "end_stream", False)]  # type: ignore[attr-defined]


class H2TlsPeer(H2Peer):
    """A client over TLS, once `shake_hands` has been called."""

    def __init__(self) -> None:
        super().__init__(ngh2.Role.CLIENT)
        self.client = SecureClient(trusting_context("h2"))

    def requests(self) -> bytes:
        return self.client.encrypt(super().requests())

    def count(self, received: bytes) -> int:
        return super().count(self.client.decrypt(received))


Peer = H1Peer | H2Peer

CASES: dict[str, tuple[Callable[[], Peer], Callable[[], Peer]]] = {
    "h1": (H1Peer, H1Peer),
    "h1_tls": (H1TlsPeer, H1Peer),
    "h2_h1": (lambda: H2Peer(ngh2.Role.CLIENT), H1Peer),
    "h2_tls_h1": (H2TlsPeer, H1Peer),
    "h2_h2": (lambda: H2Peer(ngh2.Role.CLIENT), lambda: H2Peer(ngh2.Role.SERVER)),
    "grpc_unary": (
        lambda: H2Peer(ngh2.Role.CLIENT, POST, grpc_unary.SCENARIO.load.body),  # type: ignore[attr-defined]
        lambda: H2Peer(ngh2.Role.SERVER),
    ),
}


class Proxy:
    """A proxy of one scenario, and both its ends."""

    def __init__(self, case: str, directory: Path, workers: int = 1) -> None:
        """workers: one of so many, which count together what limits hold for."""
        self.new_client, self.new_upstream = CASES[case]
        self.clients: list[tuple[Wire, Peer]] = []
        self.upstreams: list[tuple[asyncio.Protocol, Wire, Peer]] = []
        self.profile: cProfile.Profile | None = None
        self.spent = 0.0
        cluster.SocketConnector = lambda *_: self  # type: ignore[assignment,misc]
        path = directory / "bootstrap.json"
        path.write_text(json.dumps(scenarios.load(case).bootstrap(Place(18080, 18081, 1, directory))))
        self._start(load(str(path)).message.static_resources, workers)

    def _start(self, resources: Any, workers: int) -> None:
        def compiled(messages: Any) -> dict[str, Any]:
            return {each.name: compile_resource(type_url_of(each), each, context).value for each in messages}

        context, loop, stats = CompileContext(log_files=LogFiles()), asyncio.get_running_loop(), StatsStore()
        deadlines, holder = DeadlineWheel(loop.time, loop.call_at), Holder()
        listeners, configured, snapshot = compiled(resources.listeners), compiled(resources.clusters), holder.current
        shared = None if workers == 1 else _counts(workers, configured)
        clusters = ClusterManager(holder, stats, loop, deadlines, shared=shared)
        holder.current = link(listeners, {}, configured, {}, snapshot)
        clusters.apply(snapshot, holder.current)
        (listener,) = listeners.values()
        self.acceptor: Any = SimpleNamespace(
            server=ServerContext(holder, clusters, stats, deadlines, loop, "bench", "bench"),
            stat_prefix="listener.bench.",
            scope=stats.scope("listener.bench."),
            config=listener,
            on_accepted=lambda connection: None,
            on_established=lambda connection: None,
            choose_filter_chain=lambda connection, inspected: listener.filter_chains[0],
        )

    def connect(self, address: object, protocol: Any) -> object:
        """upstream.connector.Connector."""
        wire = Wire()
        self.upstreams.append((protocol, wire, self.new_upstream()))
        asyncio.get_running_loop().call_soon(protocol.connection_made, wire)
        return SimpleNamespace(connected=lambda: None, cancel=lambda: None)

    def tune(self, transport: object) -> None:
        """upstream.connector.Connector."""

    def accept(self) -> None:
        wire, peer = Wire(), self.new_client()
        wire.protocol = Connection(self.acceptor, len(self.clients) + 1)
        wire.protocol.connection_made(wire)
        if isinstance(peer, (H1TlsPeer, H2TlsPeer)):
            while said := peer.client.shake_hands(wire.take()):
                wire.protocol.data_received(said)
        self.clients.append((wire, peer))

    async def pass_on(self, pieces: list[tuple[Any, bytes]]) -> None:
        """Bytes arrive, for each connection in one read, and are dealt with until nothing more is to be written."""

        def receive() -> None:
            for protocol, data in pieces:
                protocol.data_received(data)

        await self.run(receive)

    async def run(self, call: Callable[[], None]) -> None:
        """*call*, and what the loop has to do after it, are timed."""
        if self.profile is not None:
            self.profile.enable()
        begun = time.process_time()
        call()
        await asyncio.sleep(0)
        self.spent += time.process_time() - begun
        if self.profile is not None:
            self.profile.disable()

    async def exchange(self) -> None:
        """Every client's requests, and their answers."""
        await self.pass_on([(wire.protocol, peer.requests()) for wire, peer in self.clients])
        for _ in range(3):  # settings come before answers
            answers = [(protocol, peer.answers(wire.take())) for protocol, wire, peer in self.upstreams]
            await self.pass_on([(protocol, data) for protocol, data in answers if data])
        answered = sum(peer.count(wire.take()) for wire, peer in self.clients)
        assert answered == self.per_exchange, f"{answered} of {self.per_exchange} requests were answered"

    @property
    def per_exchange(self) -> int:
        return sum(peer.per_pass for _, peer in self.clients)

    async def microseconds(self) -> list[float]:
        """Per request, of each exchange in one round."""
        taken = []
        for _ in range(PASSES):
            self.spent = 0.0
            await self.exchange()
            taken.append(self.spent / self.per_exchange * 1e6)
        return taken


def _counts(workers: int, clusters: Iterable[str]) -> Counts:
    """As one of several workers has them."""
    allotment = Allotment(CountTable.create(workers))
    for name in clusters:
        allotment.block(of_cluster(name))
    return Counts(allotment.table, allotment)


async def _measure(case: str, rounds: int, directory: Path, calls: int, workers: int) -> None:
    proxy = Proxy(case, directory, workers)
    for _ in range(CONNECTIONS):
        proxy.accept()
    await proxy.microseconds()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    if calls:
        proxy.profile = cProfile.Profile()
        await proxy.microseconds()
        print_calls(pstats.Stats(proxy.profile), PASSES * proxy.per_exchange, calls)
    else:
        taken = sorted([each for _ in range(rounds) for each in await proxy.microseconds()])
        print(f"{case:12} best tenth {taken[len(taken) // 10]:6.2f} us, median {median(taken):6.2f} us per request")


def print_calls(stats: Any, requests: int, most: int) -> None:
    """The *most* functions that take most, for each of so many *requests*."""
    rows = [(calls, own, name) for name, (_, calls, own, _, _) in stats.stats.items()]
    print(f"{sum(row[0] for row in rows) / requests:.1f} calls per request")
    for calls, own, (file, line, name) in sorted(rows, key=lambda row: -row[1])[:most]:
        print(f"{calls / requests:7.2f} calls {own / requests * 1e6:7.2f} us  {os.path.basename(file)}:{line} {name}")


@click.command()
@click.argument("names", nargs=-1, metavar="[CASE]...")
@click.option("--rounds", default=15, show_default=True)
@click.option("--calls", default=0, help="print so many functions instead of times")
@click.option("--workers", default=1, show_default=True, help="one of so many, which count together")
def main(names: tuple[str, ...], rounds: int, calls: int, workers: int) -> None:
    """Measure CASEs (all of them when none is named)."""
    for name in names or CASES:
        with tempfile.TemporaryDirectory(prefix="pointsman-exchange-") as directory:
            uvloop.run(_measure(name, rounds, Path(directory), calls, workers))


if __name__ == "__main__":
    main()
