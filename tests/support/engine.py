"""The downstream engine without sockets: bytes in and out of a real connection, a scripted upstream behind a real router.

Time stands still until a test moves it; what is called soon runs after every step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, cast

from dataplane.api.network_filter import ServerContext
from dataplane.api.upstream import HostMonitor, NoHealthyHost, PoolFailure, ResponseReceiver, StreamReset
from dataplane.base.address import Address, SocketAddress
from dataplane.base.deadlines import DeadlineWheel
from dataplane.http.config import HttpConnectionManagerConfig, HttpFilterEntry
from dataplane.http.connection_factory import HttpConnectionManagerFactory
from dataplane.listener.connection import Connection
from dataplane.listener.listener import ActiveListener
from dataplane.observe.formatter_context import FormatterContext
from dataplane.observe.stats import StatsStore
from dataplane.observe.stream_info import StreamInfo
from dataplane.resilience.circuit import Breakers
from dataplane.router.config import RouterConfig
from dataplane.router.router import RouterFactory
from dataplane.routing.route import Action, ForwardAction, Route, RouteConfiguration, VirtualHost
from dataplane.semantics.header_map import HeaderMap, RequestHeaders, ResponseHeaders
from dataplane.snapshot.http_policies import HttpPolicies
from dataplane.snapshot.listener import FilterChain, Listener
from dataplane.snapshot.snapshot import Holder
from dataplane.upstream.cluster_stats import ClusterStats

PEER = SocketAddress("10.1.2.3", 4711)
HOST = SocketAddress("10.9.9.9", 80)


class FakeLoop:
    """The two methods of an event loop that the engine uses, run by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._soon: list[Callable[[], None]] = []
        self._timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[[], None]) -> None:
        self._soon.append(callback)

    def call_at(self, when: float, callback: Callable[[], None]) -> FakeTimer:
        entry = (when, callback)
        self._timers.append(entry)
        return FakeTimer(self._timers, entry)

    def run_soon(self) -> None:
        while self._soon:
            self._soon.pop(0)()

    def advance(self, seconds: float) -> None:
        """Let time pass, firing what becomes due in its order."""
        end = self.now + seconds
        while due := [timer for timer in self._timers if timer[0] <= end]:
            timer = min(due, key=lambda each: each[0])
            self._timers.remove(timer)
            self.now = max(self.now, timer[0])
            timer[1]()
            self.run_soon()
        self.now = end


@dataclass
class FakeTimer:
    timers: list[tuple[float, Callable[[], None]]]
    entry: tuple[float, Callable[[], None]]

    def cancel(self) -> None:
        if self.entry in self.timers:
            self.timers.remove(self.entry)


class FakeTransport(asyncio.Transport):
    """Keeps what is written; closing is told to the protocol at once."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: Connection | None = None
        self.received = b""
        self.writes = 0
        self.closed = False
        self.aborted = False
        self.reading = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": (PEER.host, PEER.port), "sockname": ("127.0.0.1", 80)}.get(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed, "written after close"
        self.received += bytes(data)
        self.writes += 1

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            protocol, self.protocol = self.protocol, None  # as the loop's transports forget theirs
            assert protocol is not None
            protocol.connection_lost(None)

    def abort(self) -> None:
        self.aborted = True
        self.close()


@dataclass
class FakeHost:
    address: Address = HOST
    hostname: str = "backend.test"
    priority: int = 0
    canary: bool = False
    metadata: Mapping[str, object] = field(default_factory=dict)
    rq_success: int = 0
    rq_error: int = 0
    rq_timeout: int = 0
    monitor: HostMonitor | None = None


class Exchange:
    """One request as an upstream got it, and the way to answer it.  Implements api.upstream.RequestEncoder and Pending."""

    connection_id = 7
    local_address = None
    protocol = "HTTP/1.1"
    tls = None

    def __init__(self, receiver: ResponseReceiver, host: FakeHost) -> None:
        self.receiver = receiver
        self.host = host
        self.headers: RequestHeaders | None = None
        self.fields: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.trailers: HeaderMap | None = None
        self.ended = False
        self.was_reset = False
        self.cancelled = False
        self.paused = 0

    def connect(self) -> None:
        self.receiver.on_pool_ready(self, self.host, self)

    def encode_headers(self, headers: RequestHeaders, end_stream: bool) -> None:
        assert self.headers is None
        self.headers = headers
        self.fields = list(headers.fields)
        self.ended = end_stream

    def encode_data(self, data: bytes, end_stream: bool) -> None:
        assert self.headers is not None
        assert not self.ended
        self.body += data
        self.ended = end_stream

    def encode_trailers(self, trailers: HeaderMap) -> None:
        self.trailers = trailers
        self.ended = True

    def reset(self) -> None:
        self.was_reset = True

    def cancel(self) -> None:
        self.cancelled = True

    def pause_reading(self) -> None:
        self.paused += 1

    def resume_reading(self) -> None:
        self.paused -= 1

    def field(self, name: bytes) -> bytes | None:
        return dict(self.fields).get(name)

    def respond(self, status: int = 200, body: bytes = b"", *fields: tuple[bytes, bytes]) -> None:
        """A whole response with its length."""
        length = () if status == 204 else ((b"content-length", b"%d" % len(body)),)
        headers = ResponseHeaders(status, [*fields, *length])
        if body and self.receiver.takes_whole(headers):
            self.receiver.on_whole(headers, body)
            return
        self.receiver.on_headers(headers, not body)
        if body and not self.was_reset:
            self.receiver.on_data(body, True)

    def fail(self, reason: StreamReset) -> None:
        self.receiver.on_reset(reason, "")


class FakeCluster:
    """Implements api.upstream.LiveCluster.  connected: exchanges begin at once; otherwise a test calls `connect`."""

    def __init__(self, name: str, stats: StatsStore) -> None:
        self.name = self.stat_name = name
        scope = stats.scope(f"cluster.{name}.")
        self.stats = ClusterStats(scope)
        self._breakers = Breakers(scope.scope("circuit_breakers.default."), 1024, 1024, 1024, 3)
        self.exchanges: list[Exchange] = []
        self.drop_overload = 0.0
        self.rq_drop_overload = 0
        self.rq_dropped = 0
        self.max_stream_duration = 0.0
        self.policies: HttpPolicies | None = None
        self.wants_context = False
        self.speaks_tls = False
        self.connected = True
        self.healthy = True
        self.failure: tuple[PoolFailure, str] | None = None
        self.host = FakeHost()

    def breakers(self, priority: int) -> Breakers:
        return self._breakers

    def open_stream(self, receiver: ResponseReceiver, context: object, priority: int) -> Exchange | None:
        if not self.healthy:
            raise NoHealthyHost
        if self.failure is not None:
            overflow = self.failure[0] is PoolFailure.OVERFLOW
            receiver.on_pool_failure(*self.failure, None if overflow else self.host)
            return None
        exchange = Exchange(receiver, self.host)
        self.exchanges.append(exchange)
        if not self.connected:
            return exchange
        exchange.connect()
        return None

    @property
    def last(self) -> Exchange:
        return self.exchanges[-1]


class LogLines:
    """An access logger that keeps what a line would be made of."""

    def __init__(self) -> None:
        self.entries: list[StreamInfo] = []
        self.requests: list[RequestHeaders | None] = []

    def log(self, context: FormatterContext) -> None:
        self.entries.append(context.info)
        self.requests.append(context.request)

    @property
    def last(self) -> StreamInfo:
        return self.entries[-1]


class Client:
    """The downstream peer of one connection."""

    def __init__(self, engine: Engine, connection: Connection, transport: FakeTransport) -> None:
        self._engine = engine
        self.connection = connection
        self.transport = transport

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            if not self.transport.closed:
                self.connection.data_received(piece)
                self._engine.loop.run_soon()

    def send_eof(self) -> None:
        if not self.connection.eof_received():
            self.transport.close()

    def take(self) -> bytes:
        """What has arrived since the last call."""
        self._engine.loop.run_soon()
        received, self.transport.received = self.transport.received, b""
        return received

    def take_response(self) -> tuple[int, dict[bytes, bytes], bytes]:
        """Status, fields and the rest of what arrived."""
        head, _, body = self.take().partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        fields = dict(line.split(b": ", 1) for line in lines[1:])
        return int(lines[0].split(b" ")[1]), cast("dict[bytes, bytes]", fields), body

    @property
    def closed(self) -> bool:
        return self.transport.closed


def route(prefix: bytes = b"/", action: Action | None = None, *, cluster: str = "up", name: str = "", **others: Any) -> Route:
    """A route by prefix; without an action it forwards to *cluster*."""
    return Route(
        name=name,
        matches=lambda headers, path, query, random_value: path.startswith(prefix),
        action=ForwardAction(cluster=cluster) if action is None else action,
        match_key=prefix,
        **others,
    )


def route_table(*routes: Route) -> RouteConfiguration:
    host = VirtualHost("all", ("*",), routes)
    return RouteConfiguration("routes", (host,), frozenset(), default_virtual_host=host)


@dataclass
class Engine:
    """One listener with one connection manager.  settings: fields of HttpConnectionManagerConfig."""

    routes: Sequence[Route] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    filters: Sequence[object] = ()
    listener_settings: dict[str, Any] = field(default_factory=dict)
    router: RouterConfig = field(default_factory=RouterConfig)

    def __post_init__(self) -> None:
        self.loop = FakeLoop()
        self.stats = StatsStore()
        self.up = FakeCluster("up", self.stats)
        self.clusters = {"up": self.up}
        self.log = LogLines()
        self.server = ServerContext(
            holder=Holder(),
            clusters=cast("Any", self.clusters),
            stats=self.stats,
            deadlines=DeadlineWheel(self.loop.time, self.loop.call_at),
            loop=cast("Any", self.loop),
            service_cluster="demo",
            service_node="node-1",
            local_address="192.0.2.1",
            clock=self.loop.time,
        )
        table = route_table(*(self.routes or (route(),)))
        entries = [HttpFilterEntry(f"filter-{number}", each) for number, each in enumerate(self.filters)]
        config = HttpConnectionManagerConfig(
            **{
                "stat_prefix": "test",
                "route_configuration": table,
                "http_filters": (*entries, HttpFilterEntry("router", RouterFactory(self.router))),
                "access_log": (self.log,),
                **self.settings,
            }
        )
        chain = FilterChain("", (HttpConnectionManagerFactory(config),), key=b"1")
        listener = Listener("test", SocketAddress("127.0.0.1", 80), (chain,), **self.listener_settings)
        self.listener = ActiveListener(listener, self.server, count(1).__next__)

    def connect(self) -> Client:
        connection = Connection(self.listener, 1)
        transport = FakeTransport()
        transport.protocol = connection
        connection.connection_made(transport)
        return Client(self, connection, transport)

    def counter(self, name: str) -> int:
        found = self.stats.counters.get(name) or self.stats.gauges.get(name)
        assert found is not None, f"no stat {name}"
        return int(found.value)


def get(path: bytes = b"/", *fields: bytes, method: bytes = b"GET", host: bytes = b"h.test") -> bytes:
    """A request head; fields are whole lines."""
    lines = [b"%b %b HTTP/1.1" % (method, path), b"host: " + host, *fields, b"", b""]
    return b"\r\n".join(lines)
