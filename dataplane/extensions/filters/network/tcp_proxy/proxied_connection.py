"""One downstream connection and the upstream connection that carries its bytes.

Here: connecting, half-closes, back-pressure, times, the log.  Not here: the message (this package's `__init__`), dialling (upstream.pool_tcp).

    (new) ─connect─▶ connecting ─ready─▶ open ─both sides ended, or one is gone─▶ (closed)
                      │   ▲
                      └───┘ failed, and attempts are left

Nothing is read from the client before the upstream connection is there.  Each side's FIN is passed on to the other; a reset upstream resets
the client, so that it does not take half an answer for a whole one.
Envoy: TcpProxy::Filter.
"""

from __future__ import annotations

from random import getrandbits, random
from typing import TYPE_CHECKING, Final

from dataplane.api.upstream import NoHealthyHost, PoolFailure
from dataplane.extensions.filters.network.tcp_proxy.tunnel import Tunnel
from dataplane.observe import flags
from dataplane.observe.formatter_context import FormatterContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dataplane.api.network_filter import DownstreamConnection
    from dataplane.api.tcp_upstream import PendingTcp, TcpUpstream
    from dataplane.api.upstream import LiveCluster, LiveHost
    from dataplane.base.deadlines import Deadline
    from dataplane.extensions.filters.network.tcp_proxy.config import TcpProxyConfig, TcpProxyStats
    from dataplane.observe.stream_info import StreamInfo

_REMOTE_FAILURES: Final = (PoolFailure.REMOTE_CONNECTION_FAILURE, PoolFailure.TIMEOUT)

# Why a connection was closed before it was proxied.  The misspelling is Envoy's.
_CONNECT_FAILED: Final = "tcp_initializion_failure:0"
_NO_HEALTHY_HOST: Final = "tcp_initializion_failure:1"
_LIMIT_EXCEEDED: Final = "tcp_initializion_failure:2"
_NO_CLUSTER: Final = "tcp_initializion_failure:3"


class ProxiedConnection:
    """Implements api.network_filter.NetworkFilter and api.tcp_upstream.TcpReceiver."""

    half_close = True  # one direction ends without the other

    __slots__ = (
        "_active_at",
        "_clock",
        "_config",
        "_connection",
        "_deadlines",
        "_downstream_ended",
        "_early",
        "_info",
        "_pending",
        "_rx_bytes",
        "_stats",
        "_tx_bytes",
        "_upstream",
        "_upstream_ended",
        "_write",
    )

    def __init__(self, connection: DownstreamConnection, config: TcpProxyConfig, stats: TcpProxyStats) -> None:
        self._connection = connection
        self._write = connection.write
        self._info = connection.info
        self._config = config
        self._stats = stats
        self._rx_bytes = stats.cx_rx_bytes_total
        self._tx_bytes = stats.cx_tx_bytes_total
        self._clock = connection.server.clock
        self._active_at = 0.0
        self._pending: PendingTcp | None = None
        self._upstream: TcpUpstream | None = None
        self._downstream_ended = self._upstream_ended = False
        self._early: list[bytes] = []
        self._deadlines: dict[str, Deadline] = {}

    def start(self) -> None:
        """Connect.  Called once."""
        self._stats.cx_total.inc()
        self._connection.pause_reading()
        config = self._config
        if config.max_duration:
            self._arm("duration", config.max_duration * (1 + config.duration_jitter * random()), self._on_too_old)
        if config.log_interval:
            self._arm("log", config.log_interval, self._log_periodically)
        self._connect()

    # Connecting

    def _connect(self) -> None:
        info, server = self._info, self._connection.server
        cluster = server.clusters.get(self._config.pick_cluster(getrandbits(63)))
        if cluster is None:
            self._stats.cx_no_route.inc()
            self._refuse(flags.NO_CLUSTER_FOUND, _NO_CLUSTER)
            return
        info.upstream_cluster, info.upstream_cluster_stat_name = cluster.name, cluster.stat_name
        if not cluster.breakers(0).connections.can_create():
            cluster.stats.connection.cx_overflow.inc()
            self._refuse(flags.UPSTREAM_OVERFLOW, _LIMIT_EXCEEDED)
        elif info.attempts >= self._config.max_connect_attempts:
            cluster.stats.connection.cx_connect_attempts_exceeded.inc()
            self._refuse(flags.CONNECT_ATTEMPTS_EXCEEDED, _CONNECT_FAILED)
        else:
            self._dial(cluster)

    def _dial(self, cluster: LiveCluster) -> None:
        try:
            self._info.attempts += 1
            pending = self._open(cluster)
        except NoHealthyHost:
            self._info.attempts -= 1
            self._refuse(flags.NO_HEALTHY_UPSTREAM, _NO_HEALTHY_HOST)
        else:
            if pending is not None:  # else it failed already, and another may be under way
                self._pending = pending

    def _open(self, cluster: LiveCluster) -> PendingTcp | None:
        config = self._config
        context = config.choice.context(self._info, cluster.name) if cluster.wants_context else None
        if config.tunnel is None:
            return cluster.open_tcp(self, context)
        if config.idle_timeout and "idle" not in self._deadlines:
            self._active_at = self._clock()
            self._arm("idle", config.idle_timeout, self._look_idle)
        return Tunnel(config.tunnel, self._info, self).open(cluster, context)

    def _refuse(self, flag: int, reason: str) -> None:
        """As in Envoy, which leaves them to the kernel, bytes that the client sent and nobody took make it a reset."""
        self._info.response_flags |= flag
        if self._early:
            self._info.local_close_reason = reason
            self._connection.reset()
        else:
            self._close_both(reason)

    @property
    def stream_info(self) -> StreamInfo:
        return self._info

    def on_tcp_ready(self, upstream: TcpUpstream, host: LiveHost) -> None:
        info, config = self._info, self._config
        self._pending, self._upstream = None, upstream
        info.upstream_host, info.upstream_host_name = host.address, host.hostname
        info.upstream_connection_id = upstream.connection_id
        info.upstream_local_address = upstream.local_address
        info.upstream_protocol = upstream.protocol
        self._active_at = self._clock()
        if config.idle_timeout and "idle" not in self._deadlines:
            self._arm("idle", config.idle_timeout, self._look_idle)
        if config.log_on_connected:
            self._log("TcpUpstreamConnected")
        if not self._connection.is_writable:
            upstream.pause_reading()
        early, self._early = self._early, []
        for data in early:
            self.on_data(data)
        if self._downstream_ended:
            upstream.end_writing()
        self._connection.resume_reading()

    def on_pool_failure(self, reason: PoolFailure, details: str, host: LiveHost | None) -> None:
        info = self._info
        self._pending = None
        info.upstream_host = None if host is None else host.address
        info.upstream_transport_failure_reason = details.replace(" ", "_")
        if reason in _REMOTE_FAILURES:
            info.response_flags |= flags.UPSTREAM_CONNECTION_FAILURE
        delay = self._config.backoff_delay(info.attempts, random())
        if delay and info.attempts < self._config.max_connect_attempts:
            self._arm("backoff", delay, self._connect)
        else:
            self._connect()

    # Bytes

    def on_data(self, data: bytes) -> None:
        upstream, size = self._upstream, len(data)
        if upstream is None:
            self._on_early_data(data)
            return
        self._info.bytes_received += size
        self._rx_bytes.value += size
        self._active_at = self._clock()
        upstream.write(data)

    def _on_early_data(self, data: bytes) -> None:
        """uvloop starts to read after `connection_made` whatever was said in it, so that a first read comes through the pause."""
        self._early.append(data)
        self._connection.pause_reading()

    def on_upstream_data(self, data: bytes) -> None:
        size = len(data)
        self._info.bytes_sent += size
        self._tx_bytes.value += size
        self._active_at = self._clock()
        self._write(data)

    def on_end(self) -> None:
        self._downstream_ended = True
        upstream = self._upstream
        if upstream is None:
            return
        if self._upstream_ended:
            self._upstream = None
            upstream.close(by_us=False)
            self._close_both("")
        else:
            upstream.end_writing()

    def on_upstream_end(self) -> None:
        self._upstream_ended = True
        if self._downstream_ended:
            upstream, self._upstream = self._upstream, None
            if upstream is not None:
                upstream.close(by_us=False)
            self._close_both("")
        else:
            self._connection.end_writing()

    def on_write_blocked(self) -> None:
        if self._upstream is not None:
            self._upstream.pause_reading()

    def on_write_ready(self) -> None:
        if self._upstream is not None:
            self._upstream.resume_reading()

    def on_upstream_blocked(self) -> None:
        self._stats.paused_reading_total.inc()
        self._connection.pause_reading()

    def on_upstream_ready(self) -> None:
        self._stats.resumed_reading_total.inc()
        self._connection.resume_reading()

    # The end

    def on_upstream_close(self, error: str) -> None:
        self._upstream = None
        if error and not self._upstream_ended:
            self._info.response_flags |= flags.UPSTREAM_REMOTE_RESET
            self._connection.reset()
        else:
            self._close_both("")

    def on_close(self, error: str) -> None:
        for deadline in self._deadlines.values():
            deadline.cancel()
        self._deadlines.clear()
        upstream, self._upstream = self._upstream, None
        pending, self._pending = self._pending, None
        if upstream is not None:
            upstream.close()
        if pending is not None:
            self._info.upstream_host = pending.host.address
            pending.cancel()
        self._log("TcpConnectionEnd")

    def on_drain(self) -> None:
        """TCP has no word for it: the connection lives until the drain time is over."""

    def on_times_changed(self) -> None:
        """Its times are not among those that the overload manager reduces."""

    def holding(self) -> Iterable[tuple[int, Callable[[], None]]]:
        return ()

    def close_if_idle(self) -> None:
        """Whether work is under way cannot be known."""

    def _close_both(self, reason: str) -> None:
        """reason: why we close; "" where a peer did."""
        self._info.local_close_reason = reason
        if self._upstream is not None:
            self._info.upstream_local_close_reason = reason
        self._connection.close()

    # Times

    def _arm(self, name: str, delay: float, callback: Callable[[], None]) -> None:
        self._deadlines[name] = self._connection.server.deadlines.arm(delay, callback)

    def _look_idle(self) -> None:
        left = self._active_at + self._config.idle_timeout - self._clock()
        if left > 0:
            self._arm("idle", left, self._look_idle)
        else:
            self._stats.idle_timeout.inc()
            if self._upstream is None:  # a tunnel that was never granted
                self._info.response_flags |= flags.UPSTREAM_CONNECTION_FAILURE
            self._close_both("tcp_session_idle_timeout")

    def _on_too_old(self) -> None:
        self._stats.max_duration.inc()
        self._info.response_flags |= flags.DURATION_TIMEOUT
        self._close_both("max_connection_duration_reached")

    # The log

    def _log_periodically(self) -> None:
        self._log("TcpPeriodic")
        self._arm("log", self._config.log_interval, self._log_periodically)

    def _log(self, kind: str) -> None:
        info = self._info
        info.access_log_type = kind
        for logger in self._config.access_log:
            logger.log(FormatterContext(info))
        info.access_log_type = ""  # the listener's log has no type
