"""One try to reach the upstream through a tunnel: an HTTP request whose body carries the bytes of a connection.

Here: the request, its answer, the bytes.  Not here: the downstream side (proxied_connection), pools (upstream).
    asked ─2xx─▶ open (`on_tcp_ready`) ─▶ as any TCP upstream
          └any other answer, or none─▶ a failed attempt
Envoy: TcpProxy::HttpConnPool, TcpProxy::HttpUpstream; TcpProxy.TunnelingConfig.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dataplane.api.upstream import PoolFailure, StreamReset
from dataplane.observe.filter_state import Shown, keep
from dataplane.observe.formatter_context import FormatterContext
from dataplane.routing.header_mutations import apply_additions
from dataplane.semantics.header_map import RequestHeaders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dataplane.api.tcp_upstream import TcpReceiver
    from dataplane.api.upstream import BalancingContext, LiveCluster, LiveHost, Pending, RequestEncoder, UpstreamConnectionInfo
    from dataplane.base.address import Address
    from dataplane.observe.stream_info import StreamInfo
    from dataplane.routing.route import HeaderAddition
    from dataplane.semantics.header_map import Field, HeaderMap, ResponseHeaders

_HEADERS: Final = "envoy.tcp_proxy.propagate_response_headers"
_TRAILERS: Final = "envoy.tcp_proxy.propagate_response_trailers"

_FAILED: Final = PoolFailure.REMOTE_CONNECTION_FAILURE

# Ends that are passed on as a FIN, all others as a reset.
_ORDERLY: Final = (StreamReset.CONNECTION_TERMINATION, StreamReset.PROTOCOL_ERROR)


@dataclass(frozen=True, slots=True)
class TunnelConfig:
    """`TunnelingConfig`.  hostname: of the request, from what is known of the connection.  post_path: b"" for a CONNECT.

    keeps_headers, keeps_trailers: those of the answer are left in the filter state of the connection.
    """

    hostname: Callable[[StreamInfo], bytes]
    headers_to_add: tuple[HeaderAddition, ...] = ()
    post_path: bytes = b""
    keeps_headers: bool = False
    keeps_trailers: bool = False

    def request(self, info: StreamInfo) -> RequestHeaders:
        method = b"POST" if self.post_path else b"CONNECT"
        headers = RequestHeaders(method, self.post_path, self.hostname(info))
        apply_additions(self.headers_to_add, headers, FormatterContext(info, headers))
        return headers


class Tunnel:
    """Implements api.upstream.RoutedReceiver; api.tcp_upstream.PendingTcp while it is asked for, TcpUpstream once it is open."""

    __slots__ = (
        "_config",
        "_encoder",
        "_host",
        "_info",
        "_is_open",
        "_paused",
        "_pending",
        "_receiver",
        "_request",
        "connection_id",
        "local_address",
    )

    protocol = ""  # as Envoy, whatever carries the tunnel
    downstream_protocol = ""

    def __init__(self, config: TunnelConfig, info: StreamInfo, receiver: TcpReceiver) -> None:
        self._config = config
        self._request = config.request(info)
        self._info = info
        self._receiver: TcpReceiver | None = receiver
        self._pending: Pending | None = None
        self._encoder: RequestEncoder | None = None
        self._host: LiveHost | None = None
        self._is_open = False
        self._paused = False
        self.connection_id = 0
        self.local_address: Address | None = None

    def open(self, cluster: LiveCluster, context: BalancingContext | None) -> Tunnel | None:
        """Ask for it.  None when the receiver was told of a failure already.  Raises NoHealthyHost."""
        pending = cluster.open_stream(self, context, 0)
        if self._receiver is None:
            return None
        if self._encoder is None:
            self._pending = pending
        return self

    @property
    def stream_info(self) -> StreamInfo:
        return self._info

    # While it is asked for

    @property
    def host(self) -> LiveHost:
        if self._host is not None:
            return self._host
        assert self._pending is not None
        return self._pending.host

    def named_host(self, header: bytes) -> bytes:
        return b""  # a tunnel is no request of a client: TLS asks for what is configured

    def cancel(self) -> None:
        self.abort()

    def on_pool_ready(self, encoder: RequestEncoder, host: LiveHost, connection: UpstreamConnectionInfo) -> None:
        self._pending = None
        self._encoder, self._host = encoder, host
        self.connection_id, self.local_address = connection.connection_id, connection.local_address
        encoder.encode_headers(self._request, False)

    def on_pool_failure(self, reason: PoolFailure, details: str, host: LiveHost | None) -> None:
        self._fail(reason, details, host)

    def takes_whole(self, headers: ResponseHeaders) -> bool:
        return False

    def on_informational(self, headers: ResponseHeaders) -> None:
        """Nothing to wait for."""

    def on_headers(self, headers: ResponseHeaders, end_stream: bool) -> None:
        receiver, host = self._receiver, self._host
        assert receiver is not None
        assert host is not None
        if self._config.keeps_headers:
            keep(self._info, _HEADERS, _shown([(b":status", b"%d" % headers.status), *headers.fields]))
        if end_stream:
            self._encoder = None
        if end_stream or not 200 <= headers.status < 300:
            self._fail(_FAILED, f"tunnel_response:{headers.status}", host)
        else:
            self._is_open = True
            receiver.on_tcp_ready(self, host)

    def _fail(self, reason: PoolFailure, details: str, host: LiveHost | None) -> None:
        receiver = self._receiver
        self.abort()
        if receiver is not None:
            receiver.on_pool_failure(reason, details, host)

    # What comes through it

    def on_data(self, data: bytes, end_stream: bool) -> None:
        receiver = self._receiver
        if receiver is None:
            return
        if end_stream:
            self._encoder = None
        if data:
            receiver.on_upstream_data(data)
        if end_stream and self._receiver is not None:
            receiver.on_upstream_end()

    def on_whole(self, headers: ResponseHeaders, body: bytes) -> None:
        """Never called: `takes_whole` says no."""

    def on_trailers(self, trailers: HeaderMap) -> None:
        if self._config.keeps_trailers:
            keep(self._info, _TRAILERS, _shown(trailers.fields))
        self.on_data(b"", True)

    def on_reset(self, reason: StreamReset, details: str) -> None:
        self._encoder = None
        receiver = self._receiver
        if not self._is_open:
            self._fail(_FAILED, "", self._host)
        elif receiver is not None:
            self._receiver = None
            receiver.on_upstream_close("" if reason in _ORDERLY else reason.value)

    def on_write_blocked(self) -> None:
        if self._is_open and self._receiver is not None:
            self._receiver.on_upstream_blocked()

    def on_write_ready(self) -> None:
        if self._is_open and self._receiver is not None:
            self._receiver.on_upstream_ready()

    # What goes into it (api.tcp_upstream.TcpUpstream)

    def write(self, data: bytes) -> None:
        if self._encoder is not None:
            self._encoder.encode_data(data, False)

    def end_writing(self) -> None:
        if self._encoder is not None:
            self._encoder.encode_data(b"", True)

    def pause_reading(self) -> None:
        if self._encoder is not None and not self._paused:
            self._paused = True
            self._encoder.pause_reading()

    def resume_reading(self) -> None:
        if self._encoder is not None and self._paused:
            self._paused = False
            self._encoder.resume_reading()

    def close(self, by_us: bool = True) -> None:
        self.abort()

    def abort(self) -> None:
        self._receiver = None
        pending, self._pending = self._pending, None
        encoder, self._encoder = self._encoder, None
        if pending is not None:
            pending.cancel()
        if encoder is not None:
            encoder.reset()


def _shown(fields: Iterable[Field]) -> Shown:
    """A config.core.v3.HeaderMap, as Envoy keeps it."""
    return Shown({"headers": [{"key": name.decode("latin-1"), "value": value.decode("latin-1")} for name, value in fields]})
