"""Compiled clusters and endpoints.  Envoy: config.cluster.v3.Cluster, config.endpoint.v3.ClusterLoadAssignment.

Here: what was configured.  Not here: hosts with their health, pools and counters (upstream, balancing): those live on across swaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from types import MappingProxyType

from dataplane.balancing.subset import SubsetConfig
from dataplane.base.address import Address, SocketAddress
from dataplane.resilience.circuit import RetryBudget
from dataplane.resilience.outlier import OutlierSettings
from dataplane.semantics.h1_options import DEFAULT_HTTP1, Http1Options
from dataplane.semantics.h2_options import DEFAULT_HTTP2, Http2Options
from dataplane.snapshot.config_source import ConfigSource
from dataplane.snapshot.health_check import HealthCheck
from dataplane.snapshot.http_policies import HttpPolicies
from dataplane.snapshot.introduced_socket import AddedTlv
from dataplane.snapshot.secret import SecretReference
from dataplane.snapshot.socket_option import SocketOption

_EMPTY: Mapping[str, object] = MappingProxyType({})


class DiscoveryType(Enum):
    STATIC = "STATIC"
    STRICT_DNS = "STRICT_DNS"
    LOGICAL_DNS = "LOGICAL_DNS"
    EDS = "EDS"
    ORIGINAL_DST = "ORIGINAL_DST"


class HealthStatus(IntEnum):
    """Envoy: config.core.v3.HealthStatus, same numbers."""

    UNKNOWN = 0
    HEALTHY = 1
    UNHEALTHY = 2
    DRAINING = 3
    TIMEOUT = 4
    DEGRADED = 5


@dataclass(frozen=True, slots=True)
class Locality:
    region: str = ""
    zone: str = ""
    sub_zone: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One `LbEndpoint`.  hostname: what a health check or an auto_host_rewrite uses.  health_check_*: Endpoint.HealthCheckConfig."""

    address: Address
    hostname: str = ""
    weight: int = 1
    health_status: HealthStatus = HealthStatus.UNKNOWN
    metadata: Mapping[str, object] = field(default_factory=lambda: _EMPTY, hash=False)
    health_check_port: int = 0  # 0: the same
    health_check_hostname: str = ""
    health_check_disabled: bool = False
    added_tlvs: tuple[AddedTlv, ...] = ()  # in the PROXY header of connections to it


@dataclass(frozen=True, slots=True)
class LocalityEndpoints:
    """One `LocalityLbEndpoints`.  weight 0: not given."""

    locality: Locality
    endpoints: tuple[Endpoint, ...]
    priority: int = 0
    weight: int = 0
    metadata: Mapping[str, object] = field(default_factory=lambda: _EMPTY, hash=False)


@dataclass(frozen=True, slots=True)
class LoadAssignment:
    """`ClusterLoadAssignment`."""

    cluster_name: str
    localities: tuple[LocalityEndpoints, ...]
    overprovisioning_factor: int = 140
    drop_overload: float = 0.0  # the share of requests to drop, 0..1
    drop_category: str = ""  # why, as load reports name it


@dataclass(frozen=True, slots=True)
class CircuitBreakerThresholds:
    """Limits of one routing priority.  Envoy: CircuitBreakers.Thresholds."""

    max_connections: int = 1024
    max_pending_requests: int = 1024
    max_requests: int = 1024
    max_retries: int = 3
    track_remaining: bool = False
    retry_budget: RetryBudget | None = None  # takes the place of max_retries


@dataclass(frozen=True, slots=True)
class DnsSettings:
    """How the names of a DNS cluster are resolved.  Times in seconds."""

    refresh_rate: float = 5.0
    failure_refresh_base: float | None = None
    failure_refresh_max: float | None = None
    respect_ttl: bool = False
    lookup_family: str = "AUTO"  # AUTO, V4_ONLY, V6_ONLY, V4_PREFERRED, ALL
    resolvers: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class TcpKeepalive:
    """Zero: the system's default."""

    probes: int = 0
    time: int = 0
    interval: int = 0


@dataclass(frozen=True, slots=True)
class SourceAddress:
    """What upstream connections are bound to before they dial, and their options.

    address: None where nothing is bound.  Its port 0: any.  freebind: also an address that no interface has (yet).
    """

    address: SocketAddress | None
    freebind: bool = False
    options: tuple[SocketOption, ...] = ()


@dataclass(frozen=True, slots=True)
class AutoNames:
    """`UpstreamHttpProtocolOptions`: the host that a request is for names the server of its TLS.

    sni: in the handshake.  san: in the server's certificate.  header: which names the host instead, where a request has it; b"": none.
    """

    sni: bool
    san: bool
    header: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpProtocolOptions:
    """What a cluster's HttpProtocolOptions (or the deprecated fields) ask for.  Times in seconds, None: the default, 0: none."""

    protocol: str = "HTTP/1.1"  # HTTP/1.1, HTTP/2, DOWNSTREAM: what the client speaks, AUTO: what TLS agrees on
    idle_timeout: float | None = None
    max_connection_duration: float | None = None
    max_requests_per_connection: int = 0
    max_response_headers_kb: int = 80  # Envoy's default upstream, tried; downstream it is 60
    max_headers_count: int = 100
    max_stream_duration: float | None = None
    http1: Http1Options = DEFAULT_HTTP1
    http2: Http2Options = DEFAULT_HTTP2
    auto_names: AutoNames | None = None


@dataclass(frozen=True, slots=True)
class TransportSocketMatch:
    """`TransportSocketMatch`: the socket of endpoints whose metadata have all of criteria.  None: plain bytes."""

    name: str
    criteria: Mapping[str, object] = field(hash=False)
    transport_socket: object | None


@dataclass(frozen=True, slots=True)
class LeastRequest:
    """`lb_config` of LEAST_REQUEST.  active_request_bias: how much active requests count where weights differ; 0: not at all."""

    choice_count: int = 2
    active_request_bias: float = 1.0


@dataclass(frozen=True, slots=True)
class OriginalDst:
    """Where an ORIGINAL_DST cluster looks for destinations.  header_name: b"" for none.  metadata_path: namespace and keys; () for none.

    port_override: 0 for none.  cleanup_interval: after so many seconds without a request a destination is forgotten.
    """

    header_name: bytes = b""
    port_override: int = 0
    metadata_path: tuple[str, ...] = ()
    cleanup_interval: float = 5.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """A compiled `Cluster`.  Equal bytes compile to one object, so `is not` is the test for a change."""

    name: str
    discovery: DiscoveryType
    load_assignment: LoadAssignment | None = None  # inline; None for EDS
    eds_service_name: str = ""  # the name to ask EDS for; "" unless discovery is EDS
    alt_stat_name: str = ""
    connect_timeout: float = 5.0
    lb_policy: str = "ROUND_ROBIN"  # ROUND_ROBIN, LEAST_REQUEST, RANDOM, RING_HASH, MAGLEV
    lb_config: object | None = None  # LeastRequest, balancing.ring_hash.RingHash, balancing.maglev.Maglev
    subsets: SubsetConfig | None = None
    panic_threshold: float = 0.5  # fraction of healthy hosts below which health is ignored; 0 turns panic off
    circuit_breakers: tuple[CircuitBreakerThresholds, CircuitBreakerThresholds] = (
        CircuitBreakerThresholds(),
        CircuitBreakerThresholds(),
    )  # (default, high)
    dns: DnsSettings = DnsSettings()
    http: HttpProtocolOptions = HttpProtocolOptions()
    http_policies: HttpPolicies | None = None
    per_connection_buffer_limit: int = 1 << 20
    tcp_keepalive: TcpKeepalive | None = None
    source_addresses: tuple[SourceAddress, ...] = ()  # one of each version of IP; the first unless another has the host's
    eds_fetch_timeout: float = 15.0
    wait_for_warm_on_init: bool = True
    metadata: Mapping[str, object] = field(default_factory=lambda: _EMPTY, hash=False)
    transport_socket_matches: tuple[TransportSocketMatch, ...] = ()
    secret_references: frozenset[SecretReference] = frozenset()  # secrets that its TLS takes from SDS
    transport_socket: object | None = None  # api.transport_socket.UpstreamTransportSocket
    outlier_detection: OutlierSettings | None = None
    health_checks: tuple[HealthCheck, ...] = ()  # one at most where there is traffic: Envoy refuses more
    added_via_api: bool = False
    eds_source: ConfigSource | None = None  # where endpoints come from; None unless discovery is EDS
    locality_weighted: bool = False  # localities by their weight.  Envoy: CommonLbConfig.locality_weighted_lb_config
    fail_traffic_on_panic: bool = False  # in panic no host at all instead of any
    original_dst: OriginalDst | None = None  # None unless discovery is ORIGINAL_DST
    ignore_health_on_host_removal: bool = False  # else a host that is removed stays while its checks succeed

    @property
    def stat_name(self) -> str:
        """What stands between `cluster.` and the stat in a stat's name."""
        return (self.alt_stat_name or self.name).replace(":", "_")
