"""The HTTP connection manager as the network filter of one connection: its codec, its streams, when it ends.

Here: the life of a connection that carries HTTP.  Not here: bytes (http.codec), streams (http.stream), what connections share
(http.manager), who makes one (http.connection_factory).
A connection ends in three steps: `closing` is set (no further stream), the streams under way end, the connection is closed; with a
delay where the client may still be sending, so that its bytes do not destroy what we sent last.
Envoy: ConnectionManagerImpl; config.core.v3.HttpProtocolOptions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from dataplane.base.errors import ProtocolError
from dataplane.http.codec.ended import ENDED
from dataplane.http.codec.h1 import Http1Codec
from dataplane.http.codec.h2 import Http2Codec
from dataplane.http.config import CodecType
from dataplane.http.stream import Stream
from dataplane.observe import flags
from dataplane.semantics.h2_session import PREFACE

if TYPE_CHECKING:
    from dataplane.api.network_filter import DownstreamConnection
    from dataplane.base.deadlines import Deadline
    from dataplane.http.codec.interface import Codec, StreamEncoder
    from dataplane.http.manager import BoundManager
    from dataplane.http.peer import Peer
    from dataplane.http.stream_state import StreamState

log = logging.getLogger("http")

# As much of the preface as Envoy wants to see in the first bytes.
_PREFACE_START: Final = PREFACE[:14]


class HttpConnection:
    """Implements api.network_filter.NetworkFilter."""

    peer: Peer  # since the first stream

    def __init__(self, manager: BoundManager, downstream: DownstreamConnection) -> None:
        self.manager = manager
        self.downstream = downstream
        self.info = info = downstream.info
        self.tls = info.downstream_tls
        self.closing = False  # no stream after those under way
        self._gone = False
        self._ended_by_peer = True
        self._streams_begun = 0
        self.idle_since = info.start_at
        self._deadlines: list[Deadline] = []
        self._draining = False  # an HTTP/2 client was told to go elsewhere with its next streams
        self.codec: Codec = Http1Codec(self)
        self._h2: Http2Codec | None = None  # the codec, if it is that
        self._rq_by_protocol = manager.stats.rq_http1_total
        self.on_data = self.codec.on_data if manager.config.codec_type is CodecType.HTTP1 else self._on_first_data
        self._watch: Deadline | None = None
        self._duration: Deadline | None = None
        self._count_opened()
        self._arm_deadlines()

    @property
    def is_http2(self) -> bool:
        return self._h2 is not None

    def _on_first_data(self, data: bytes) -> None:
        self.choose_codec(data)
        self.on_data = self.codec.on_data
        self.on_data(data)

    def choose_codec(self, data: bytes) -> None:
        """The protocol is the configured one, else what TLS negotiated, else what the first bytes look like.  May be called twice."""
        config, negotiated = self.manager.config, self.downstream.negotiated_protocol
        by_bytes = not negotiated and data.startswith(_PREFACE_START)
        if self._h2 is None and (config.codec_type is CodecType.HTTP2 or negotiated == "h2" or by_bytes):
            self.codec = self._h2 = Http2Codec(self)
            stats = self.manager.stats
            self._rq_by_protocol = stats.rq_http2_total
            stats.cx_http2_total.inc()
            stats.cx_http2_active.inc()

    # Streams

    def begin_stream(self, encoder: StreamEncoder, now: float) -> Stream:
        stats = self.manager.stats
        stats.rq_total.value += 1
        self._rq_by_protocol.value += 1
        stats.rq_active.value += 1
        if not self._streams_begun:
            self._begin_first_stream()
        self._streams_begun += 1
        most = self.manager.config.max_requests_per_connection
        if most and self._streams_begun >= most and not self.closing:
            stats.cx_max_requests_reached.inc()
            self.begin_drain()
        stream = Stream(self, encoder, now)
        if self.manager.has_stream_deadlines:
            stream.arm_deadlines()
        return stream

    def _begin_first_stream(self) -> None:
        """Many connections are opened and never used: what only requests need is found out now."""
        downstream = self.downstream
        self.peer = self.manager.peer(downstream.remote_address, downstream.local_address, self.tls)
        if self._h2 is None:
            self.manager.stats.cx_http1_total.inc()
            self.manager.stats.cx_http1_active.inc()

    def end_stream(self, stream: StreamState, delay_close: bool) -> None:
        """Called once by each stream, last.  delay_close: the client may still be sending."""
        self.manager.stats.rq_active.value -= 1
        self.idle_since = stream.end_at
        stream.encoder.end_stream()
        if self.closing and not self._gone and self.codec.is_idle:
            self._close(delay_close)

    def on_codec_idle(self) -> None:
        """The last response that waited for its client has gone out."""
        if self.closing and not self._gone:
            self._close(delay=True)

    def should_close(self, now: float) -> bool:
        """Whether a response sent now must be the last one."""
        drain = self.downstream.drain
        if not self.closing and not self._draining and drain is not None and drain.should_close(now):
            stats = self.manager.stats
            (stats.cx_overload_disable_keepalive if drain.by_overload else stats.cx_drain_close).inc()
            self.begin_drain()
        return self.closing

    def begin_drain(self) -> None:
        """An HTTP/2 client gets `drain_timeout` to send what is on its way; an HTTP/1 client is told with its response."""
        if self._h2 is None:
            self.closing = True
        elif not self._draining:
            self._draining = True
            self._h2.shutdown_notice()
            self._deadlines.append(self.manager.server.deadlines.arm(self.manager.config.drain_timeout, self._on_drain_timeout))

    def refuse_more(self) -> None:
        """No stream after those under way."""
        self.closing = True
        if self._h2 is not None:
            self._h2.goaway()

    def on_protocol_error(self, stream: Stream, error: ProtocolError) -> None:
        """A request is not HTTP as we accept it; an HTTP/1 codec cannot go on."""
        if self._h2 is not None:
            self._h2.on_protocol_error(stream, error)
            return
        self.manager.stats.cx_protocol_error.inc()
        self.closing = True
        stream.refuse_protocol(error)

    def on_codec_error(self, details: str) -> None:
        """An HTTP/2 codec cannot go on: all streams end with it."""
        self.manager.stats.cx_protocol_error.inc()
        self.closing = True
        for stream in self.codec.open_streams():
            stream.on_connection_lost(details, flags.DOWNSTREAM_PROTOCOL_ERROR)
        if not self._gone:
            self._close(delay=True)

    # Where load is shed (http.load_shedding)

    def _drop(self, size: int) -> None:
        """Bytes that came and are not looked at."""
        self.manager.stats.cx_rx_bytes_total.value += size
        self.closing = True

    def refuse_codec(self, size: int) -> None:
        """Nothing was read, and nothing will be.  size: of what came."""
        self._drop(size)
        self.manager.stats.rq_overload_close.inc()
        self._close(delay=True)

    def force_goaway(self, size: int) -> None:
        """An HTTP/2 client is told to go elsewhere; whoever the client is, its connection ends."""
        self._drop(size)
        if self._h2 is not None:
            self._h2.shutdown_notice()
            self._h2.goaway()
        for stream in list(self.codec.open_streams()):
            stream.on_connection_lost("forced_goaway", 0)
        if not self._gone:
            self._close(delay=True)

    def abort_dispatch(self, size: int) -> None:
        """HTTP/1: what has come is not read; the client is told so if nothing was answered yet."""
        assert isinstance(self.codec, Http1Codec)
        self._drop(size)
        self.manager.stats.rq_overload_close.inc()
        self.codec.abandon().refuse_protocol(ProtocolError(500, "overload"))

    # What the network tells (api.network_filter.NetworkFilter)

    def on_end(self) -> None:
        """As Envoy, half an HTTP/1 connection is none: whoever closes does not wait for the answer."""
        self.codec.flush()
        self.downstream.close("")

    def on_close(self, error: str) -> None:
        self._gone = True
        self.codec.on_close()
        streams = list(self.codec.open_streams())
        reason = self.info.local_close_reason
        self._count_closed(bool(streams), given_up=bool(reason))
        details = "downstream_remote_disconnect" if self._ended_by_peer else "downstream_local_disconnect"
        if reason:
            details = f"downstream_local_disconnect({reason})"
        for stream in streams:
            stream.on_connection_lost(details)
        for deadline in self._deadlines:
            deadline.cancel()
        for each in (self._watch, self._duration):
            if each is not None:
                each.cancel()
        self.codec = ENDED  # as the codec holds us
        self.on_data = ENDED.on_data
        self._h2 = None

    def on_write_blocked(self) -> None:
        if self._h2 is not None:
            self._h2.on_write_blocked()
            return
        for stream in self.codec.open_streams():
            stream.on_downstream_blocked()

    def on_write_ready(self) -> None:
        if self._h2 is not None:
            self._h2.on_write_ready()
            return
        for stream in self.codec.open_streams():
            stream.on_downstream_ready()

    def on_drain(self) -> None:
        """Nothing at once: HTTP/1 asks the client with its next response (`should_close`)."""

    def close_if_idle(self) -> None:
        if self.codec.is_idle and not self.closing:
            self.closing = True
            if self._h2 is not None:
                self._h2.goaway()
            self._close(delay=False)
        elif self._h2 is not None and not self.closing:
            self.begin_drain()  # its client would go on with the connection for as long as one stream lasts

    # Times

    def _arm_deadlines(self) -> None:
        self._limit_duration()
        self.watch(self.manager.times.idle_timeout)

    def _limit_duration(self) -> None:
        allowed = self.manager.times.max_connection_duration
        if allowed:
            left = self.info.start_at + allowed - self.manager.clock()
            self._duration = self.manager.server.deadlines.arm(max(0.0, left), self._on_max_duration)

    def on_times_changed(self) -> None:
        """api.network_filter.NetworkFilter."""
        if self._duration is not None:
            self._duration.cancel()
            self._limit_duration()
        if not self._gone:
            self._look()

    def holding(self) -> Iterable[tuple[int, Callable[[], None]]]:
        """Over HTTP/1 a stream ends with its connection, so that nothing is to be had."""
        return () if self._h2 is None else self._h2.holding()

    def watch(self, within: float) -> None:
        """Look at the idle times again *within* so many seconds at the latest (0: no need)."""
        limits = self.manager.times
        for seconds in (limits.idle_timeout, limits.stream_idle_timeout, self._flush_timeout):
            if seconds and (not within or seconds < within):
                within = seconds
        if self._watch is not None:
            self._watch.cancel()
        self._watch = self.manager.server.deadlines.arm(within, self._look) if within else None

    def _look(self) -> None:
        """Idle deadlines move with every byte, so nobody re-arms them: this looks how far they have moved."""
        self._watch = None
        now = self.manager.clock()
        left = [stream.check_idle(now) for stream in list(self.codec.open_streams())]
        if self._gone:
            return
        if self._h2 is not None and not self._h2.is_idle and self._flush_timeout:
            left.append(self._h2.check_flush(now, self._flush_timeout))
        idle_timeout = self.manager.times.idle_timeout
        if not left and idle_timeout and not self.closing and not self._draining:
            left.append(self.idle_since + idle_timeout - now)
            if left[0] <= 0:
                self.manager.stats.cx_idle_timeout.inc()
                if self._h2 is not None:
                    self.begin_drain()
                else:
                    self._close(delay=False)
                return
        self.watch(min((seconds for seconds in left if seconds > 0), default=0.0))

    def _on_max_duration(self) -> None:
        """Envoy: a connection without a request is closed at once, any other gets `drain_timeout` to end."""
        self._duration = None
        self.manager.stats.cx_max_duration_reached.inc()
        if not self._streams_begun:
            self._close(delay=False)
            return
        if self._h2 is not None:
            self.begin_drain()
            return
        self.closing = True
        if not self.manager.config.http1_safe_max_connection_duration:
            self._deadlines.append(self.manager.server.deadlines.arm(self.manager.config.drain_timeout, self._on_drain_timeout))

    @property
    def _flush_timeout(self) -> float:
        """For how long an answer that is complete waits for its client's window; 0: for ever."""
        times = self.manager.times
        return times.stream_idle_timeout if times.stream_flush_timeout is None else times.stream_flush_timeout

    def _on_drain_timeout(self) -> None:
        if self._gone:
            return
        if self._h2 is not None:
            self.closing = True
            self._h2.goaway()
        if self.codec.is_idle:
            self._close(delay=True)

    def _close(self, delay: bool) -> None:
        if not self._ended_by_peer:
            return  # it is closing already
        self._ended_by_peer = False
        self.codec.flush()
        seconds = self.manager.config.delayed_close_timeout if delay else 0.0
        self.downstream.close_after_flush(seconds, "", self._on_delayed_close_timeout)

    def _on_delayed_close_timeout(self) -> None:
        self.manager.stats.cx_delayed_close_timeout.inc()

    # Counters

    def _count_opened(self) -> None:
        stats = self.manager.stats
        stats.cx_total.inc()
        stats.cx_active.inc()
        if self.tls is not None:
            stats.cx_ssl_total.inc()
            stats.cx_ssl_active.inc()

    def _count_closed(self, active: bool, given_up: bool) -> None:
        """given_up: closed under its streams, which Envoy counts as ended by the client all the same."""
        stats = self.manager.stats
        stats.cx_active.dec()
        if self.tls is not None:
            stats.cx_ssl_active.dec()
        if self._h2 is not None:
            stats.cx_http2_active.dec()
        elif self._streams_begun:
            stats.cx_http1_active.dec()
        stats.cx_destroy.inc()
        (stats.cx_destroy_remote if self._ended_by_peer and not given_up else stats.cx_destroy_local).inc()
        if active:
            stats.cx_destroy_active_rq.inc()
            (stats.cx_destroy_remote_active_rq if self._ended_by_peer else stats.cx_destroy_local_active_rq).inc()
        stats.cx_length_ms.record(round((self.info.end_at - self.info.start_at) * 1000))

    def __repr__(self) -> str:
        return f"<HttpConnection C{self.downstream.id} {'closing' if self.closing else 'open'}>"
