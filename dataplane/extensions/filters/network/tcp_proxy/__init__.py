"""TCP proxy: bytes of a downstream connection to one upstream connection and back.  Envoy: envoy.filters.network.tcp_proxy.

Here: the message → TcpProxyConfig.  Not here: the bytes (proxied_connection), dialling (upstream.pool_tcp).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from envoy.config.core.v3.backoff_pb2 import BackoffStrategy
from envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from envoy.type.v3.percent_pb2 import Percent

from dataplane.api.registry import extension
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.access_log import compile_access_logs
from dataplane.compile.context import CompileContext
from dataplane.compile.filter_chain import NETWORK_FILTER_KIND
from dataplane.compile.support import ignores, supports
from dataplane.compile.units import seconds, seconds_or, wrapped
from dataplane.extensions.filters.network.tcp_proxy.choice import compile_choice
from dataplane.extensions.filters.network.tcp_proxy.config import TcpProxyConfig, TcpProxyStats
from dataplane.extensions.filters.network.tcp_proxy.proxied_connection import ProxiedConnection
from dataplane.extensions.filters.network.tcp_proxy.tunneling_config import compile_tunneling

if TYPE_CHECKING:
    from dataplane.api.network_filter import DownstreamConnection

supports(
    TcpProxy,
    "stat_prefix",
    "cluster",
    "weighted_clusters",
    "idle_timeout",
    "access_log",
    "max_connect_attempts",
    "backoff_options",
    "max_downstream_connection_duration",
    "max_downstream_connection_duration_jitter_percentage",
    "access_log_flush_interval",
    "flush_access_log_on_connected",
    "access_log_options",
    "tunneling_config",
    upstream_connect_mode=("IMMEDIATE",),
)
ignores(
    TcpProxy,
    "downstream_idle_timeout",
    "upstream_idle_timeout",
    because="Envoy reads neither; idle_timeout is for both sides",
)
supports(TcpProxy.WeightedCluster, "clusters")
supports(TcpProxy.WeightedCluster.ClusterWeight, "name", "weight")
supports(TcpProxy.TcpAccessLogOptions, "access_log_flush_interval", "flush_access_log_on_connected")
supports(BackoffStrategy, "base_interval", "max_interval")
supports(Percent, "value")


@dataclass(frozen=True, slots=True)
class TcpProxyFactory:
    """Implements api.network_filter.NetworkFilterFactory."""

    config: TcpProxyConfig

    def create(self, connection: DownstreamConnection) -> ProxiedConnection:
        proxied = ProxiedConnection(connection, self.config, TcpProxyStats(connection.server.stats, self.config.stat_prefix))
        proxied.start()
        return proxied


@extension(NETWORK_FILTER_KIND, TcpProxy.DESCRIPTOR.full_name, terminal=True)
def compile_config(message: TcpProxy, at: FieldPath, context: CompileContext) -> TcpProxyFactory:
    clusters = _clusters(message, at)
    context.cluster_names.update(name for name, _ in clusters)
    log_interval, log_on_connected = _log_options(message, at)
    return TcpProxyFactory(
        TcpProxyConfig(
            stat_prefix=message.stat_prefix,
            clusters=clusters,
            idle_timeout=seconds_or(message, "idle_timeout", 3600.0, at),
            max_duration=seconds_or(message, "max_downstream_connection_duration", 0.0, at),
            duration_jitter=message.max_downstream_connection_duration_jitter_percentage.value / 100,
            max_connect_attempts=wrapped(message, "max_connect_attempts", 1),
            backoff=_backoff(message, at / "backoff_options"),
            access_log=compile_access_logs(message.access_log, at / "access_log", context),
            log_on_connected=log_on_connected,
            log_interval=log_interval,
            tunnel=compile_tunneling(message, at, context),
            choice=compile_choice(message, at),
        )
    )


def _clusters(message: TcpProxy, at: FieldPath) -> tuple[tuple[str, int], ...]:
    kind = message.WhichOneof("cluster_specifier")
    if kind is None:
        raise ConfigError(at / "cluster_specifier", "is required")
    if kind == "cluster":
        return ((message.cluster, 1),)
    choices = message.weighted_clusters.clusters
    return tuple(zip((each.name for each in choices), accumulate(each.weight for each in choices), strict=True))


def _log_options(message: TcpProxy, at: FieldPath) -> tuple[float, bool]:
    """Interval and whether to log on connect: of the options, or of the deprecated fields where there are none."""
    if not message.HasField("access_log_options"):
        return seconds_or(message, "access_log_flush_interval", 0.0, at), message.flush_access_log_on_connected
    if message.HasField("access_log_flush_interval"):
        raise ConfigError(at, "Only one of access_log_flush_interval or access_log_options can be specified.")
    if message.flush_access_log_on_connected:
        raise ConfigError(at, "Only one of flush_access_log_on_connected or access_log_options can be specified.")
    options, at = message.access_log_options, at / "access_log_options"
    return seconds_or(options, "access_log_flush_interval", 0.0, at), options.flush_access_log_on_connected


def _backoff(message: TcpProxy, at: FieldPath) -> tuple[float, float] | None:
    if not message.HasField("backoff_options"):
        return None
    base = seconds(message.backoff_options.base_interval, at / "base_interval")
    most = seconds_or(message.backoff_options, "max_interval", base * 10, at)
    if most < base:
        raise ConfigError(at / "max_interval", "max_backoff must be greater or equal to base_backoff")
    return base, most
