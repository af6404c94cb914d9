"""What a TCP proxy was told, compiled, and its counters.  Envoy: extensions.filters.network.tcp_proxy.v3.TcpProxy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dataplane.extensions.filters.network.tcp_proxy.choice import ANY_HOST, HostChoice

if TYPE_CHECKING:
    from dataplane.api.access_logger import AccessLogger
    from dataplane.extensions.filters.network.tcp_proxy.tunnel import TunnelConfig
    from dataplane.observe.stats import StatsStore


@dataclass(frozen=True, slots=True)
class TcpProxyConfig:
    """Times in seconds, 0 for none.

    clusters: names with the sum of the weights up to and including theirs.
    duration_jitter: by which fraction of itself max_duration may grow.  backoff: base and greatest interval, None for no wait.
    """

    stat_prefix: str
    clusters: tuple[tuple[str, int], ...]
    idle_timeout: float = 3600.0
    max_duration: float = 0.0
    duration_jitter: float = 0.0
    max_connect_attempts: int = 1
    backoff: tuple[float, float] | None = None
    access_log: tuple[AccessLogger, ...] = ()
    log_on_connected: bool = False
    log_interval: float = 0.0
    tunnel: TunnelConfig | None = None
    choice: HostChoice = ANY_HOST

    def pick_cluster(self, random_value: int) -> str:
        """random_value: any whole number that is not negative."""
        total = self.clusters[-1][1]
        point = random_value % total
        return next(name for name, end in self.clusters if point < end)

    def backoff_delay(self, failed: int, jitter: float) -> float:
        """How long to wait after *failed* attempts.  jitter: in [0, 1)."""
        if self.backoff is None:
            return 0.0
        base, most = self.backoff
        return min(base * ((1 << failed) - 1) * jitter, most)


class TcpProxyStats:
    """`tcp.<stat_prefix>.`"""

    def __init__(self, store: StatsStore, stat_prefix: str) -> None:
        scope = store.scope(f"tcp.{stat_prefix}.")
        self.cx_total: Final = scope.counter("downstream_cx_total")
        self.cx_no_route: Final = scope.counter("downstream_cx_no_route")
        self.cx_rx_bytes_total: Final = scope.counter("downstream_cx_rx_bytes_total")
        self.cx_tx_bytes_total: Final = scope.counter("downstream_cx_tx_bytes_total")
        self.paused_reading_total: Final = scope.counter("downstream_flow_control_paused_reading_total")
        self.resumed_reading_total: Final = scope.counter("downstream_flow_control_resumed_reading_total")
        self.idle_timeout: Final = scope.counter("idle_timeout")
        self.max_duration: Final = scope.counter("max_downstream_connection_duration")
