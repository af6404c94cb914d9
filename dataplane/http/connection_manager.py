"""The HTTP connection manager as the network filter of one connection: its codec, its streams, when it ends.

Here: the life of a connection that carries HTTP.  Not here: bytes (http.codec), streams (http.stream), what connections share (http.manager).
A connection ends in three steps: `closing` is set (no further stream), the streams under way end, the connection is closed; with a
delay where the client may still be sending, so that its bytes do not destroy what we sent last.
Envoy: ConnectionManagerImpl; config.core.v3.HttpProtocolOptions.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from dataplane.http.codec.h1 import Http1Codec
from dataplane.http.manager import BoundManager
from dataplane.http.stream import Stream

if TYPE_CHECKING:
    from dataplane.api.network_filter import DownstreamConnection
    from dataplane.base.deadlines import Deadline
    from dataplane.base.errors import ProtocolError
    from dataplane.http.codec.interface import StreamEncoder
    from dataplane.http.config import HttpConnectionManagerConfig

log = logging.getLogger("http")


class HttpConnectionManagerFactory:
    """What a filter chain holds (api.network_filter.NetworkFilterFactory).  Binds itself when its first connection comes."""

    __slots__ = ("_bound", "config")

    def __init__(self, config: HttpConnectionManagerConfig) -> None:
        self.config: Final = config
        self._bound: BoundManager | None = None

    def create(self, connection: DownstreamConnection) -> HttpConnection:
        bound = self._bound
        if bound is None or bound.server is not connection.server:
            bound = self._bound = BoundManager(self.config, connection.server, connection.stat_prefix)
        return HttpConnection(bound, connection)

    def __repr__(self) -> str:
        return f"<HttpConnectionManagerFactory {self.config.stat_prefix}>"


class HttpConnection:
    """Implements api.network_filter.NetworkFilter."""

    def __init__(self, manager: BoundManager, downstream: DownstreamConnection) -> None:
        self.manager = manager
        self.downstream = downstream
        self.peer = manager.peer(downstream.remote_address, downstream.local_address)
        self.closing = False  # no stream after those under way
        self._gone = False
        self._ended_by_peer = True
        self._streams_begun = 0
        self.idle_since = downstream.info.start_at
        self._deadlines: list[Deadline] = []
        self.codec = Http1Codec(self)
        self.on_data = self.codec.on_data
        self._watch: Deadline | None = None
        self._count_opened()
        self._arm_deadlines()

    # Streams

    def begin_stream(self, encoder: StreamEncoder, now: float) -> Stream:
        stats = self.manager.stats
        stats.rq_total.value += 1
        stats.rq_http1_total.value += 1
        stats.rq_active.value += 1
        if not self._streams_begun:
            stats.cx_http1_total.inc()
            stats.cx_http1_active.inc()
        self._streams_begun += 1
        most = self.manager.config.max_requests_per_connection
        if most and self._streams_begun >= most and not self.closing:
            stats.cx_max_requests_reached.inc()
            self.closing = True
        return Stream(self, encoder, now)

    def end_stream(self, stream: Stream, delay_close: bool) -> None:
        """Called once by each stream, last.  delay_close: the client may still be sending."""
        self.manager.stats.rq_active.value -= 1
        self.idle_since = stream.end_at
        stream.encoder.end_stream()
        if self.closing and not self._gone and not self.codec.open_streams():
            self._close(delay_close)

    def should_close(self, now: float) -> bool:
        """Whether a response sent now must be the last one."""
        drain = self.downstream.drain
        if not self.closing and drain is not None and drain.should_close(now):
            self.closing = True
            self.manager.stats.cx_drain_close.inc()
        return self.closing

    def on_protocol_error(self, stream: Stream, error: ProtocolError) -> None:
        """The codec cannot go on."""
        self.manager.stats.cx_protocol_error.inc()
        self.closing = True
        stream.refuse_protocol(error)

    # What the network tells (api.network_filter.NetworkFilter)

    def on_end(self) -> None:
        """As Envoy, half an HTTP/1 connection is none: whoever closes does not wait for the answer."""
        self.downstream.close("")

    def on_close(self, error: str) -> None:
        self._gone = True
        streams = list(self.codec.open_streams())
        self._count_closed(bool(streams))
        details = "downstream_remote_disconnect" if self._ended_by_peer else "downstream_local_disconnect"
        for stream in streams:
            stream.on_connection_lost(details)
        for deadline in self._deadlines:
            deadline.cancel()
        if self._watch is not None:
            self._watch.cancel()

    def on_write_blocked(self) -> None:
        for stream in self.codec.open_streams():
            stream.on_downstream_blocked()

    def on_write_ready(self) -> None:
        for stream in self.codec.open_streams():
            stream.on_downstream_ready()

    def on_drain(self) -> None:
        """Nothing at once: HTTP/1 asks the client with its next response (`should_close`)."""

    def close_if_idle(self) -> None:
        if not self.codec.open_streams() and not self.closing:
            self.closing = True
            self._close(delay=False)

    # Times

    def _arm_deadlines(self) -> None:
        config = self.manager.config
        if config.max_connection_duration:
            self._deadlines.append(self.manager.server.deadlines.arm(config.max_connection_duration, self._on_max_duration))
        self.watch(config.idle_timeout)

    def watch(self, within: float) -> None:
        """Look at the idle times again *within* so many seconds at the latest (0: no need)."""
        config = self.manager.config
        times = [seconds for seconds in (within, config.idle_timeout, config.stream_idle_timeout) if seconds]
        if self._watch is not None:
            self._watch.cancel()
        self._watch = self.manager.server.deadlines.arm(min(times), self._look) if times else None

    def _look(self) -> None:
        """Idle deadlines move with every byte, so nobody re-arms them: this looks how far they have moved."""
        self._watch = None
        now = self.manager.clock()
        left = [stream.check_idle(now) for stream in list(self.codec.open_streams())]
        if self._gone:
            return
        idle_timeout = self.manager.config.idle_timeout
        if not left and idle_timeout and not self.closing:
            left.append(self.idle_since + idle_timeout - now)
            if left[0] <= 0:
                self.manager.stats.cx_idle_timeout.inc()
                self._close(delay=False)
                return
        self.watch(min((seconds for seconds in left if seconds > 0), default=0.0))

    def _on_max_duration(self) -> None:
        """Envoy: a connection without a request is closed at once, any other gets `drain_timeout` to end."""
        self.manager.stats.cx_max_duration_reached.inc()
        if not self._streams_begun:
            self._close(delay=False)
            return
        self.closing = True
        self._deadlines.append(self.manager.server.deadlines.arm(self.manager.config.drain_timeout, self._on_drain_timeout))

    def _on_drain_timeout(self) -> None:
        if not self._gone and not self.codec.open_streams():
            self._close(delay=True)

    def _close(self, delay: bool) -> None:
        self._ended_by_peer = False
        self.codec.flush()
        seconds = self.manager.config.delayed_close_timeout if delay else 0.0
        self.downstream.close_after_flush(seconds, "", self.manager.stats.cx_delayed_close_timeout.inc)

    # Counters

    def _count_opened(self) -> None:
        stats = self.manager.stats
        stats.cx_total.inc()
        stats.cx_active.inc()

    def _count_closed(self, active: bool) -> None:
        stats = self.manager.stats
        stats.cx_active.dec()
        if self._streams_begun:
            stats.cx_http1_active.dec()
        stats.cx_destroy.inc()
        if self._ended_by_peer:
            stats.cx_destroy_remote.inc()
        else:
            stats.cx_destroy_local.inc()
        if active:
            stats.cx_destroy_active_rq.inc()
            (stats.cx_destroy_remote_active_rq if self._ended_by_peer else stats.cx_destroy_local_active_rq).inc()
        stats.cx_length_ms.record(round((self.downstream.info.end_at - self.downstream.info.start_at) * 1000))

    def __repr__(self) -> str:
        return f"<HttpConnection C{self.downstream.id} {'closing' if self.closing else 'open'}>"
