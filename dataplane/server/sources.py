"""Config sources as compiled → sources as the xDS client wants them: with addresses in place of cluster names.

Here: the translation; xds and compile do not know each other.  Envoy: config.core.v3.{ConfigSource, ApiConfigSource, GrpcService}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, cast

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.observe.stats import Scope, StatsStore
from dataplane.snapshot import config_source as compiled
from dataplane.snapshot.cluster import Cluster
from dataplane.xds import source as xds

if TYPE_CHECKING:
    from dataplane.api.transport_socket import DialledProtocol, Layer, UpstreamTransportSocket

_ALPN: Final = ("h2",)


class Sources:
    """clusters: the static clusters, which are the only ones that a management server may be behind.

    secrets: those of the current snapshot and, before the first, the static ones.  scope_of: a cluster's statistics.
    """

    def __init__(
        self,
        clusters: Mapping[str, Cluster],
        secrets: Callable[[], Mapping[str, object]] = dict,
        scope_of: Callable[[Cluster], Scope] = lambda cluster: StatsStore().scope(""),
    ) -> None:
        self._clusters = clusters
        self._secrets = secrets
        self._scope_of = scope_of
        self._secure: dict[str, Callable[[DialledProtocol], Layer | None] | None] = {}

    def source(self, source: compiled.ConfigSource, at: FieldPath) -> xds.Source:
        """Raises ConfigError for a cluster that is not there."""
        specifier = source.specifier
        if isinstance(specifier, compiled.ApiConfigSource):
            return self.api(specifier, at)
        if isinstance(specifier, compiled.PathConfigSource):
            return xds.PathSource(specifier.path, specifier.watched_directory)
        return xds.ADS

    def api(self, source: compiled.ApiConfigSource, at: FieldPath) -> xds.ApiSource:
        return xds.ApiSource(
            self._grpc_service(source.grpc_service, at / "grpc_services" / 0),
            delta=source.delta,
            set_node_on_first_message_only=source.set_node_on_first_message_only,
        )

    def _grpc_service(self, service: compiled.GrpcService, at: FieldPath) -> xds.GrpcService:
        target = service.target
        if isinstance(target, compiled.GoogleGrpc):
            files = tuple(xds.FileMetadata(each.path, each.header_key, each.header_prefix) for each in target.file_metadata)
            google = xds.GoogleGrpc(target.target_uri, _tls(target.tls), target.local, target.channel_args)
            return xds.GrpcService(google, service.initial_metadata, files)
        envoy = self._envoy_grpc(target, at / "envoy_grpc")
        if service.backoff is None:
            return xds.GrpcService(envoy, service.initial_metadata)
        base, limit = service.backoff
        return xds.GrpcService(envoy, service.initial_metadata, backoff_base=base, backoff_max=limit)

    def _envoy_grpc(self, target: compiled.EnvoyGrpc, at: FieldPath) -> xds.EnvoyGrpc:
        cluster = self._clusters.get(target.cluster_name)
        if cluster is None:
            raise ConfigError(at / "cluster_name", f"Unknown gRPC client cluster '{target.cluster_name}'")
        localities = () if cluster.load_assignment is None else cluster.load_assignment.localities
        by_priority = sorted(localities, key=lambda each: each.priority)
        return xds.EnvoyGrpc(
            cluster.name,
            tuple(endpoint.address for locality in by_priority for endpoint in locality.endpoints),
            authority=target.authority,
            secure=self._securing(cluster),
            connect_timeout=cluster.connect_timeout,
            tcp_keepalive=cluster.tcp_keepalive,
            max_receive_message_length=target.max_receive_message_length,
        )

    def _securing(self, cluster: Cluster) -> Callable[[DialledProtocol], Layer | None] | None:
        """One object for each cluster: sources are told apart by being equal."""
        if cluster.name not in self._secure:
            socket = cast("UpstreamTransportSocket | None", cluster.transport_socket)
            scope = self._scope_of(cluster)
            self._secure[cluster.name] = (
                None if socket is None else lambda above: socket.dial(above, "", _ALPN, self._secrets(), scope)
            )
        return self._secure[cluster.name]


def _tls(credentials: compiled.TlsCredentials | None) -> xds.Tls | None:
    if credentials is None:
        return None
    return xds.Tls(credentials.root_certificates, credentials.private_key, credentials.certificate_chain)
