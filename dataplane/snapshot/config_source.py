"""Where a resource says that others come from.  Envoy: config.core.v3.{ConfigSource, ApiConfigSource, GrpcService}.

Here: what was configured, cluster names as names.  Not here: opening streams to it (xds; server.assembly translates one into the other).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EnvoyGrpc:
    """A gRPC service behind one of our own clusters.  authority: "" for the cluster's name."""

    cluster_name: str
    authority: str = ""
    max_receive_message_length: int = 0  # bytes; 0: no limit


@dataclass(frozen=True, slots=True)
class TlsCredentials:
    """PEM bytes; None where not given."""

    root_certificates: bytes | None = None
    private_key: bytes | None = None
    certificate_chain: bytes | None = None


@dataclass(frozen=True, slots=True)
class FileMetadata:
    """A header whose value is read from a file.  Envoy: FileBasedMetadataConfig."""

    path: str
    header_key: str = "authorization"
    header_prefix: str = ""


@dataclass(frozen=True, slots=True)
class GoogleGrpc:
    """A gRPC target with gRPC's own name resolution.  local: `local_credentials`."""

    target_uri: str
    stat_prefix: str
    tls: TlsCredentials | None = None
    local: bool = False
    file_metadata: tuple[FileMetadata, ...] = ()
    channel_args: tuple[tuple[str, str | int], ...] = ()


@dataclass(frozen=True, slots=True)
class GrpcService:
    """initial_metadata: lower-case names.  timeout: seconds, 0 for none.  backoff: base and greatest interval, None for the default."""

    target: EnvoyGrpc | GoogleGrpc
    timeout: float = 0.0
    initial_metadata: tuple[tuple[str, str], ...] = ()
    backoff: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class ApiConfigSource:
    """A management server.  delta: incremental xDS.  aggregated: all types over one stream."""

    grpc_service: GrpcService
    delta: bool = False
    aggregated: bool = False
    set_node_on_first_message_only: bool = False


@dataclass(frozen=True, slots=True)
class PathConfigSource:
    """A file.  watched_directory: "" to watch the file itself."""

    path: str
    watched_directory: str = ""


@dataclass(frozen=True, slots=True)
class AdsConfigSource:
    """The aggregated stream of the bootstrap."""


ADS = AdsConfigSource()


@dataclass(frozen=True, slots=True)
class ConfigSource:
    """initial_fetch_timeout: seconds to wait for the first answer, 0 for ever."""

    specifier: AdsConfigSource | ApiConfigSource | PathConfigSource
    initial_fetch_timeout: float = 15.0
