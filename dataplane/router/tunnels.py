"""Tunnels: what becomes of a request when its stream is to carry something else than HTTP.

Here: the form of such a request for the protocol of its upstream, and the end of a CONNECT whose bytes go on as they are.
Not here: whether it is allowed (http.upgrade), what clients see (http.codec), dialling (upstream.pool_tcp).
Envoy: Http::Utility::transformUpgradeRequestFromH1toH2 and its like; Extensions::Upstreams::Http::Tcp::TcpUpstream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataplane.api.upstream import StreamReset
from dataplane.semantics.h2_headers import as_extended_connect, as_switching
from dataplane.semantics.header_map import RequestHeaders, ResponseHeaders
from dataplane.semantics.proxy_header import proxy_header

if TYPE_CHECKING:
    from dataplane.api.tcp_upstream import TcpUpstream
    from dataplane.api.upstream import LiveHost, PoolFailure
    from dataplane.base.address import Address
    from dataplane.observe.stream_info import StreamInfo
    from dataplane.observe.tls_facts import TlsFacts
    from dataplane.router.attempt import Attempt
    from dataplane.semantics.header_map import HeaderMap

_TERMINATION = StreamReset.CONNECTION_TERMINATION


def request_for(protocol: str, headers: RequestHeaders) -> RequestHeaders:
    """What a request for a tunnel says to an upstream that speaks *protocol*."""
    if protocol == "HTTP/2" and headers.method != b"CONNECT":
        return as_extended_connect(headers)
    return headers


def take_response(protocol: str, request: RequestHeaders, response: ResponseHeaders) -> bool:
    """Give the answer of an upstream the form that the request asked for.  Returns whether it opens the tunnel."""
    if request.method == b"CONNECT":
        return 200 <= response.status < 300
    if protocol == "HTTP/2":
        as_switching(response, request.get(b"upgrade") or b"")
    return response.status == 101


class TerminatedConnect:
    """One try of a CONNECT that ends here: a plain connection that answers 200 as soon as it is there.

    Implements api.tcp_upstream.TcpReceiver, and api.upstream.RequestEncoder for the attempt.  proxy_protocol: version, 0 for none.
    """

    __slots__ = ("_attempt", "_info", "_proxy_protocol", "_upstream", "connection_id", "local_address")

    protocol = ""
    tls: TlsFacts | None = None
    _upstream: TcpUpstream

    def __init__(self, attempt: Attempt, info: StreamInfo, proxy_protocol: int) -> None:
        self._attempt = attempt
        self._info = info
        self._proxy_protocol = proxy_protocol
        self.connection_id = 0
        self.local_address: Address | None = None

    # From the pool (api.tcp_upstream.TcpReceiver)

    @property
    def stream_info(self) -> StreamInfo:
        return self._info

    def on_tcp_ready(self, upstream: TcpUpstream, host: LiveHost) -> None:
        self._upstream = upstream
        self.connection_id, self.local_address = upstream.connection_id, upstream.local_address
        self._attempt.on_pool_ready(self, host, self)

    def on_pool_failure(self, reason: PoolFailure, details: str, host: LiveHost | None) -> None:
        self._attempt.on_pool_failure(reason, details, host)

    def on_upstream_data(self, data: bytes) -> None:
        self._attempt.on_data(data, False)

    def on_upstream_end(self) -> None:
        self._upstream.close(by_us=False)
        self._attempt.on_data(b"", True)

    def on_upstream_close(self, error: str) -> None:
        self._attempt.on_reset(_TERMINATION, "")

    def on_upstream_blocked(self) -> None:
        self._attempt.on_write_blocked()

    def on_upstream_ready(self) -> None:
        self._attempt.on_write_ready()

    # From the router (api.upstream.RequestEncoder)

    def encode_headers(self, headers: RequestHeaders, end_stream: bool) -> None:
        if self._proxy_protocol:
            downstream = self._info.of_connection
            source, destination = downstream.downstream_remote_address, downstream.downstream_local_address
            self._upstream.write(proxy_header(self._proxy_protocol, source, destination))
        if end_stream:
            self._upstream.end_writing()
        self._attempt.on_headers(ResponseHeaders(200), False)

    def encode_data(self, data: bytes, end_stream: bool) -> None:
        if data:
            self._upstream.write(data)
        if end_stream:
            self._upstream.end_writing()

    def encode_trailers(self, trailers: HeaderMap) -> None:
        self._upstream.end_writing()

    def reset(self) -> None:
        self._upstream.close()

    def pause_reading(self) -> None:
        self._upstream.pause_reading()

    def resume_reading(self) -> None:
        self._upstream.resume_reading()
