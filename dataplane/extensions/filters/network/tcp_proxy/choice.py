"""What a connection asks a load balancer for: a host by the client's address, or by metadata.

Envoy: TcpProxy.{hash_policy, metadata_match}; TcpProxy::Filter as a LoadBalancerContext.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from envoy.type.v3.hash_policy_pb2 import HashPolicy

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.support import supports
from dataplane.compile.units import metadata_dict
from dataplane.matching.criteria import Criteria, criteria_of
from dataplane.routing.hash_policy import source_ip

if TYPE_CHECKING:
    from dataplane.api.upstream import LiveHost
    from dataplane.observe.stream_info import StreamInfo

supports(TcpProxy, "hash_policy", "metadata_match")
supports(TcpProxy.WeightedCluster.ClusterWeight, "metadata_match")
supports(HashPolicy, "source_ip")
supports(HashPolicy.SourceIp)


@dataclass(frozen=True, slots=True)
class HostChoice:
    """by_source_ip: whether the client's address decides.  wanted: metadata; of_clusters: that of weighted clusters, by name."""

    by_source_ip: bool = False
    wanted: Criteria | None = None
    of_clusters: Mapping[str, Criteria] = field(default_factory=dict, hash=False)

    def context(self, info: StreamInfo, cluster_name: str) -> ConnectionContext:
        hash_key = source_ip(info) if self.by_source_ip else None
        return ConnectionContext(info, hash_key, self.of_clusters.get(cluster_name, self.wanted))


ANY_HOST: Final = HostChoice()


@dataclass(frozen=True, slots=True)
class ConnectionContext:
    """Implements api.upstream.BalancingContext for one connection."""

    info: StreamInfo
    _hash_key: int | None
    _criteria: Criteria | None

    def request_header(self, name: bytes) -> None:
        """There is no request."""

    def hash_key(self) -> int | None:
        return self._hash_key

    def metadata_match(self) -> Criteria | None:
        return self._criteria

    def excluded(self, host: LiveHost) -> bool:
        return False

    def priority_loads(self, availability: Callable[[], Sequence[int]]) -> None:
        return None

    def selection_attempts(self) -> int:
        return 0


def compile_choice(message: TcpProxy, at: FieldPath) -> HostChoice:
    for index, policy in enumerate(message.hash_policy):
        if policy.WhichOneof("policy_specifier") != "source_ip":
            raise ConfigError(at / "hash_policy" / index, "source_ip is the only policy that is supported")
    wanted = criteria_of(metadata_dict(message.metadata_match))
    of_clusters = {}
    for choice in message.weighted_clusters.clusters:
        own = criteria_of(metadata_dict(choice.metadata_match))
        if own is not None:
            of_clusters[choice.name] = own if wanted is None else wanted.merged(own.values)
    return HostChoice(bool(message.hash_policy), wanted, of_clusters)
