"""One try upstream: waits for a connection, carries the request, hands the response to its router.

Here: what one try holds.  Not here: what is sent and whether there is another try (router.router), pools (upstream).
An attempt implements api.upstream.ResponseReceiver.  Body pieces of the response go straight to the stream.
Envoy: Router::UpstreamRequest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataplane.router import failures

if TYPE_CHECKING:
    from dataplane.api.upstream import (
        LiveHost,
        Pending,
        PoolFailure,
        RequestEncoder,
        StreamReset,
        UpstreamConnectionInfo,
    )
    from dataplane.base.deadlines import Deadline
    from dataplane.observe.stream_info import StreamInfo
    from dataplane.router.router import RouterStream
    from dataplane.semantics.header_map import HeaderMap, ResponseHeaders


class Attempt:
    """`encoder` is None before a connection is there, and again from the end of the exchange on: it may serve somebody else by then."""

    __slots__ = (
        "_blocked",
        "_paused",
        "_router",
        "deadline",
        "duration",
        "encoder",
        "heard_at",
        "host",
        "idle",
        "logged",
        "pending",
        "response",
        "sent",
    )

    def __init__(self, router: RouterStream) -> None:
        self._router = router
        self.encoder: RequestEncoder | None = None
        self.pending: Pending | None = None
        self.host: LiveHost | None = None
        self.deadline: Deadline | None = None  # of this try
        self.idle: Deadline | None = None  # of its silence, since heard_at at the latest
        self.heard_at = 0.0
        self.duration: Deadline | None = None  # of its exchange with the upstream, the response's body included
        self.response: ResponseHeaders | None = None
        self.logged = False  # in the router's own access log
        self.sent = False  # some of the request went out
        self._paused = False
        self._blocked = False  # the connection takes no more, so the client waits

    # What the pool tells and asks (api.upstream.ResponseReceiver)

    @property
    def downstream_protocol(self) -> str:
        return self._router.info.protocol

    @property
    def stream_info(self) -> StreamInfo:
        return self._router.info

    def takes_whole(self, headers: ResponseHeaders) -> bool:
        return self._router.takes_whole(headers)

    def named_host(self, header: bytes) -> bytes:
        headers = self._router.headers
        return (headers.get(header) if header else None) or headers.authority

    def on_pool_ready(self, encoder: RequestEncoder, host: LiveHost, connection: UpstreamConnectionInfo) -> None:
        self.pending = None
        self.encoder = encoder
        self.host = host
        self.sent = True
        self._router.on_connected(self, encoder, host, connection)

    def on_pool_failure(self, reason: PoolFailure, details: str, host: LiveHost | None) -> None:
        self.pending = None
        self.host = host
        self._router.on_failure(self, failures.of_pool(reason, details))

    def on_informational(self, headers: ResponseHeaders) -> None:
        self._router.on_informational(headers)

    def on_headers(self, headers: ResponseHeaders, end_stream: bool) -> None:
        if self.idle is not None:
            self.heard_at = self._router.now()
        if end_stream:
            self.encoder = None
            self.on_write_ready()
        self._router.on_response(self, headers, end_stream)

    def on_data(self, data: bytes, end_stream: bool) -> None:
        router = self._router
        if self.idle is not None:
            self.heard_at = router.now()
        if end_stream:
            self.encoder = None
            router.on_response_end()
        router.stream.encode_data(data, end_stream)

    def on_whole(self, headers: ResponseHeaders, body: bytes) -> None:
        self.encoder = None
        self._router.on_whole_response(self, headers, body)

    def on_trailers(self, trailers: HeaderMap) -> None:
        self.encoder = None
        self._router.on_response_end()
        self._router.stream.encode_trailers(trailers)

    def on_reset(self, reason: StreamReset, details: str) -> None:
        self.encoder = None
        self.on_write_ready()
        self._router.on_failure(self, failures.of_reset(reason))

    def on_write_blocked(self) -> None:
        if not self._blocked:
            self._blocked = True
            self._router.stream.pause_decoding()

    def on_write_ready(self) -> None:
        """Also when the try is over: its connection says nothing any more, and the next one may take the body."""
        if self._blocked:
            self._blocked = False
            self._router.stream.resume_decoding()

    def on_duration_over(self) -> None:
        self.duration = None
        if self.encoder is not None:
            self._router.on_duration_over(self)

    # From our side

    def disarm(self) -> None:
        for deadline in (self.deadline, self.idle, self.duration):
            if deadline is not None:
                deadline.cancel()
        self.deadline = self.idle = self.duration = None

    def abandon(self) -> None:
        """Give the try up; nothing is heard of it any more."""
        self.disarm()
        if self.pending is not None:
            self.pending.cancel()
            self.pending = None
        encoder, self.encoder = self.encoder, None
        if encoder is not None:
            encoder.reset()
        self.on_write_ready()

    def pause_reading(self) -> None:
        """Who reads the response is slow."""
        if self.encoder is not None and not self._paused:
            self._paused = True
            self.encoder.pause_reading()

    def resume_reading(self) -> None:
        if self.encoder is not None and self._paused:
            self._paused = False
            self.encoder.resume_reading()
