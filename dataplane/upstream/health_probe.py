"""One question to one host: is it well?  Over HTTP/1.1, or by connecting over TCP.

Here: sending and judging a single answer.  Not here: when to ask and what follows (health_check).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from dataplane.resilience.health import PayloadMatch
from dataplane.semantics.header_map import RequestHeaders
from dataplane.upstream.connector import Dialled
from dataplane.upstream.host import UpstreamHost
from dataplane.upstream.pool_h1 import H1Pool

if TYPE_CHECKING:
    from dataplane.api.upstream import LiveHost, Pending, PoolFailure, RequestEncoder, StreamReset, UpstreamConnectionInfo
    from dataplane.base.address import Address
    from dataplane.resilience.circuit import Breakers
    from dataplane.semantics.header_map import HeaderMap, ResponseHeaders
    from dataplane.snapshot.health_check import HttpHealthCheck, StatusRange, TcpHealthCheck
    from dataplane.upstream.connector import Connector, Dial
    from dataplane.upstream.pool_settings import PoolSettings


class Result(Enum):
    """REFUSED: the host answered, and not with what was expected.  RETRIABLE: the same, but it is to be asked again first."""

    SUCCESS = 0
    REFUSED = 1
    RETRIABLE = 2
    NETWORK = 3
    TIMEOUT = 4


class OnResult(Protocol):
    def __call__(self, result: Result, degraded: bool = False) -> None: ...


def in_ranges(status: int, ranges: tuple[StatusRange, ...]) -> bool:
    return any(first <= status < behind for first, behind in ranges)


class HttpProbe:
    """Asks over a pool of its own.  Implements api.upstream.ResponseReceiver."""

    __slots__ = ("_config", "_encoder", "_on_result", "_pending", "_pool", "_request", "_response")

    def __init__(
        self, config: HttpHealthCheck, address: Address, settings: PoolSettings, breakers: Breakers, on_result: OnResult
    ) -> None:
        self._config = config
        self._on_result = on_result
        self._pool = H1Pool(UpstreamHost(address), settings, breakers, lambda pool: None)
        fields = [(b"user-agent", b"Envoy/HC"), *config.fields]
        self._request = RequestHeaders(config.method, config.path, config.host, b"http", fields)
        self._pending: Pending | None = None
        self._encoder: RequestEncoder | None = None
        self._response: ResponseHeaders | None = None

    def start(self) -> None:
        pending = self._pool.new_stream(self)
        if pending is not None and self._encoder is None:
            self._pending = pending

    def give_up(self) -> None:
        """Nothing is heard of the question that is under way."""
        pending, self._pending = self._pending, None
        encoder, self._encoder = self._encoder, None
        if pending is not None:
            pending.cancel()
        if encoder is not None:
            encoder.reset()

    def stop(self) -> None:
        self._pending = self._encoder = None
        self._pool.close()

    def _end(self, result: Result, degraded: bool = False) -> None:
        self._pending = self._encoder = None
        self._on_result(result, degraded)

    def _judge(self) -> None:
        response = self._response
        assert response is not None
        if in_ranges(response.status, self._config.expected_statuses):
            self._end(Result.SUCCESS, b"x-envoy-degraded" in response)
        elif in_ranges(response.status, self._config.retriable_statuses):
            self._end(Result.RETRIABLE)
        else:
            self._end(Result.REFUSED)

    def on_pool_ready(self, encoder: RequestEncoder, host: LiveHost, connection: UpstreamConnectionInfo) -> None:
        self._pending = None
        self._encoder = encoder
        encoder.encode_headers(self._request, True)

    def on_pool_failure(self, reason: PoolFailure, details: str, host: LiveHost | None) -> None:
        self._end(Result.NETWORK)

    def takes_whole(self, headers: ResponseHeaders) -> bool:
        return True

    def on_informational(self, headers: ResponseHeaders) -> None:
        pass

    def on_headers(self, headers: ResponseHeaders, end_stream: bool) -> None:
        self._response = headers
        if end_stream:
            self._judge()

    def on_data(self, data: bytes, end_stream: bool) -> None:
        if end_stream:
            self._judge()

    def on_whole(self, headers: ResponseHeaders, body: bytes) -> None:
        self.on_headers(headers, True)

    def on_trailers(self, trailers: HeaderMap) -> None:
        self._judge()

    def on_reset(self, reason: StreamReset, details: str) -> None:
        self._end(Result.NETWORK)

    def on_write_blocked(self) -> None:
        pass

    def on_write_ready(self) -> None:
        pass


class TcpProbe:
    """Connects anew for every question."""

    __slots__ = ("_address", "_config", "_connection", "_connector", "_on_result")

    def __init__(self, config: TcpHealthCheck, address: Address, connector: Connector, on_result: OnResult) -> None:
        self._config = config
        self._address = address
        self._connector = connector
        self._on_result = on_result
        self._connection: _TcpConnection | None = None

    def start(self) -> None:
        self._connection = _TcpConnection(self._config, self._on_end)
        self._connection.dial = self._connector.connect(self._address, self._connection)

    def _on_end(self, result: Result) -> None:
        self._connection = None
        self._on_result(result)

    def give_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.give_up()

    stop = give_up


class _TcpConnection(Dialled):
    __slots__ = ("_config", "_match", "_on_end", "_transport", "dial")

    def __init__(self, config: TcpHealthCheck, on_end: Callable[[Result], None]) -> None:
        self._config = config
        self._on_end: Callable[[Result], None] | None = on_end
        self._match = PayloadMatch(config.receive)
        self._transport: asyncio.Transport | None = None
        self.dial: Dial | None = None

    def _end(self, result: Result) -> None:
        on_end, self._on_end = self._on_end, None
        if self._transport is not None:
            self._transport.abort()
        if on_end is not None:
            on_end(result)

    def give_up(self) -> None:
        self._on_end = None
        if self._transport is not None:
            self._transport.abort()
        elif self.dial is not None:
            self.dial.cancel()

    def connect_failed(self, reason: PoolFailure, details: str) -> None:
        self._end(Result.NETWORK)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvloop's is none by inheritance
        self._transport = transport
        if self.dial is not None:
            self.dial.connected()
        if self._config.send:
            transport.write(self._config.send)
        if not self._config.receive:
            self._end(Result.SUCCESS)

    def data_received(self, data: bytes) -> None:
        if self._on_end is not None and self._match.feed(data):
            self._end(Result.SUCCESS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(Result.NETWORK)
