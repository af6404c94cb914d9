"""What only ORIGINAL_DST clusters have → snapshot.cluster.OriginalDst.

Envoy: Cluster.{original_dst_lb_config, cleanup_interval}.
"""

from __future__ import annotations

from typing import Final

from envoy.config.cluster.v3.cluster_pb2 import Cluster as ClusterMessage
from envoy.type.metadata.v3.metadata_pb2 import MetadataKey

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.support import supports
from dataplane.compile.units import seconds_or, wrapped
from dataplane.snapshot.cluster import OriginalDst

supports(ClusterMessage, "original_dst_lb_config", "cleanup_interval")
supports(ClusterMessage.OriginalDstLbConfig, "use_http_header", "http_header_name", "upstream_port_override", "metadata_key")
supports(MetadataKey, "key", "path")
supports(MetadataKey.PathSegment, "key")

_HEADER: Final = "x-envoy-original-dst-host"
_CLEANUP_INTERVAL: Final = 5.0


def compile_original_dst(message: ClusterMessage, at: FieldPath) -> OriginalDst:
    """Of a cluster whose type is ORIGINAL_DST."""
    if message.HasField("load_assignment"):
        raise ConfigError(at / "load_assignment", "ORIGINAL_DST clusters must have no load assignment configured")
    if message.HasField("load_balancing_policy") or message.lb_policy != ClusterMessage.CLUSTER_PROVIDED:
        name = "ROUND_ROBIN" if message.HasField("load_balancing_policy") else ClusterMessage.LbPolicy.Name(message.lb_policy)
        reason = f"cluster: LB policy {name} is not valid for Cluster type ORIGINAL_DST. Only 'CLUSTER_PROVIDED' is allowed"
        raise ConfigError(at / "lb_policy", f"{reason} with cluster type 'ORIGINAL_DST'")
    if message.HasField("lb_subset_config") and message.lb_subset_config.subset_selectors:
        raise ConfigError(at / "lb_subset_config", "cluster: LB policy CLUSTER_PROVIDED cannot be combined with lb_subset_config")
    config = message.original_dst_lb_config
    return OriginalDst(
        header_name=_header(config, at / "original_dst_lb_config" / "http_header_name"),
        port_override=wrapped(config, "upstream_port_override", 0),
        metadata_path=_path(config),
        cleanup_interval=seconds_or(message, "cleanup_interval", _CLEANUP_INTERVAL, at),
    )


def _header(config: ClusterMessage.OriginalDstLbConfig, at: FieldPath) -> bytes:
    name = config.http_header_name
    if config.use_http_header:
        return (name or _HEADER).lower().encode()
    if name:
        reason = f"ORIGINAL_DST cluster: invalid config http_header_name={name} and use_http_header is false."
        raise ConfigError(at, f"{reason} Set use_http_header to true if http_header_name is desired.")
    return b""


def _path(config: ClusterMessage.OriginalDstLbConfig) -> tuple[str, ...]:
    if not config.HasField("metadata_key"):
        return ()
    return (config.metadata_key.key, *(segment.key for segment in config.metadata_key.path))
