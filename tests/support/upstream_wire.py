"""The upstream side without sockets: a pool whose connections a test opens, feeds and closes by hand.

Time stands still until a test moves it (`Wire.advance`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from dataplane.api.upstream import PoolFailure, RequestEncoder, StreamReset, UpstreamConnectionInfo
from dataplane.base.address import Address, SocketAddress
from dataplane.base.deadlines import DeadlineWheel
from dataplane.observe.stats import StatsStore
from dataplane.resilience.circuit import Breakers
from dataplane.semantics.h1_fields import FieldParser
from dataplane.semantics.h1_head import ResponseHeadParser
from dataplane.semantics.header_map import Field, HeaderMap, RequestHeaders, ResponseHeaders
from dataplane.upstream.cluster_stats import ConnectionStats
from dataplane.upstream.connector import Dialled
from dataplane.upstream.host import UpstreamHost
from dataplane.upstream.pool_h1 import H1Pool
from dataplane.upstream.pool_settings import PoolSettings

ADDRESS = SocketAddress("10.0.0.1", 80)
OK = b"HTTP/1.1 200 OK\r\n"


class Timer:
    def __init__(self, clock: Clock, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback = callback
        self._clock = clock

    def cancel(self) -> None:
        if self in self._clock.timers:
            self._clock.timers.remove(self)


class Clock:
    """The two methods of an event loop that a deadline wheel needs."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        self.timers.append(Timer(self, when, callback))
        return self.timers[-1]

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [timer for timer in self.timers if timer.when <= end]:
            timer = min(due, key=lambda each: each.when)
            self.timers.remove(timer)
            self.now = max(self.now, timer.when)
            timer.callback()
        self.now = end


class Peer(asyncio.Transport):
    """One connection as the test sees it: `received` is what was written to it."""

    def __init__(self, protocol: Dialled, address: Address) -> None:
        super().__init__()
        self.protocol = protocol
        self.address = address
        self.received = b""
        self.closed = False
        self.reading = True
        self.dialling = True

    # what the test does

    def accept(self) -> Peer:
        self.dialling = False
        self.protocol.connection_made(self)
        return self

    def refuse(self, details: str = "delayed connect error: Connection refused") -> None:
        self.dialling = False
        self.protocol.connect_failed(PoolFailure.REMOTE_CONNECTION_FAILURE, details)

    def send(self, *packets: bytes) -> None:
        for packet in packets:
            if not self.closed:
                self.protocol.data_received(packet)

    def finish(self) -> None:
        """FIN."""
        if not self.protocol.eof_received():
            self.close()
            self.protocol.connection_lost(None)

    def break_off(self) -> None:
        """RST."""
        self.closed = True
        self.protocol.connection_lost(ConnectionResetError())

    def take(self) -> bytes:
        received, self.received = self.received, b""
        return received

    # what the connection does

    def connected(self) -> None:
        self.dialling = False

    def cancel(self) -> None:
        self.closed = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.received += bytes(data)

    def writelines(self, pieces: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(pieces))

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("10.0.0.9", 4711) if name == "sockname" else default

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Wire:
    """A pool with its host, and the connections it dialled.  Implements upstream.connector.Connector."""

    def __init__(self, *, connections: int = 1024, pending: int = 1024, requests: int = 1024, **settings: Any) -> None:
        self.clock = Clock()
        self.peers: list[Peer] = []
        self.store = StatsStore()
        self.stats = ConnectionStats(self.store.scope("cluster.c."))
        self.breakers = Breakers(self.store.scope("cluster.c.circuit_breakers.default."), connections, pending, requests, 3)
        self.host = UpstreamHost(ADDRESS)
        self.emptied = 0
        fields = FieldParser()
        self.pool = H1Pool(
            self.host,
            PoolSettings(
                connector=self,
                stats=self.stats,
                heads=ResponseHeadParser(fields),
                fields=fields,
                deadlines=DeadlineWheel(self.clock.time, self.clock.call_at),
                clock=self.clock.time,
                next_connection_id=count(1).__next__,
                **settings,
            ),
            self.breakers,
            self._on_empty,
        )

    def _on_empty(self, pool: H1Pool) -> None:
        self.emptied += 1

    def connect(self, address: Address, protocol: Dialled) -> Peer:
        self.peers.append(Peer(protocol, address))
        return self.peers[-1]

    def tune(self, transport: asyncio.Transport) -> None:
        pass

    def ask(self, request: Recorder | None = None) -> Recorder:
        """Ask the pool for a stream; the recorder sends its request as soon as it has one."""
        request = request or Recorder()
        request.pending = self.pool.new_stream(request)
        return request

    def exchange(self) -> tuple[Recorder, Peer]:
        """A request on a fresh connection."""
        request = self.ask()
        return request, self.peers[-1].accept()

    def counted(self) -> dict[str, int]:
        """All counters and gauges of the cluster that are not zero."""
        values = {**self.store.counters, **self.store.gauges}
        return {name.removeprefix("cluster.c."): stat.value for name, stat in values.items() if stat.value}


def get(path: bytes = b"/", fields: list[Field] | None = None) -> RequestHeaders:
    return RequestHeaders(b"GET", path, b"a.test", b"http", fields)


def post(*fields: Field) -> RequestHeaders:
    return RequestHeaders(b"POST", b"/p", b"a.test", b"http", list(fields))


@dataclass
class Recorder:
    """A receiver that writes down what it hears.  Implements api.upstream.ResponseReceiver.

    head: sent as soon as there is a connection, None to send nothing.  then: called after each event, with the event.
    """

    head: RequestHeaders | None = field(default_factory=get)
    end_stream: bool = True
    then: Callable[[str], None] | None = None
    events: list[str] = field(default_factory=list)
    body: bytes = b""
    pending: Any = None
    encoder: RequestEncoder | None = None
    host: UpstreamHost | None = None
    connection: UpstreamConnectionInfo | None = None
    headers: ResponseHeaders | None = None
    trailers: list[Field] = field(default_factory=list)
    whole: bool = False

    def takes_whole(self, headers: ResponseHeaders) -> bool:
        return self.whole

    def _note(self, event: str) -> None:
        self.events.append(event)
        if self.then is not None:
            self.then(event)

    def on_pool_ready(self, encoder: RequestEncoder, host: UpstreamHost, connection: UpstreamConnectionInfo) -> None:
        self.encoder, self.host, self.connection = encoder, host, connection
        if self.head is not None:
            encoder.encode_headers(self.head, self.end_stream)
        self._note("ready")

    def on_pool_failure(self, reason: PoolFailure, details: str, host: UpstreamHost | None) -> None:
        self._note(f"failed: {reason.value}{details and ': '}{details}")

    def on_informational(self, headers: ResponseHeaders) -> None:
        self._note(f"informational {headers.status}")

    def on_headers(self, headers: ResponseHeaders, end_stream: bool) -> None:
        self.headers = headers
        self._note(f"headers {headers.status}{' end' if end_stream else ''}")

    def on_data(self, data: bytes, end_stream: bool) -> None:
        self.body += data
        self._note(f"data {data.decode()}{' end' if end_stream else ''}")

    def on_whole(self, headers: ResponseHeaders, body: bytes) -> None:
        self.headers = headers
        self.body += body
        self._note(f"whole {headers.status} {body.decode()}")

    def on_trailers(self, trailers: HeaderMap) -> None:
        self.trailers = trailers.fields
        self._note("trailers")

    def on_reset(self, reason: StreamReset, details: str) -> None:
        self._note(f"reset: {reason.value}{details and ': '}{details}")

    def on_write_blocked(self) -> None:
        self._note("blocked")

    def on_write_ready(self) -> None:
        self._note("writable")
