"""Where resources come from, as plain data.  Envoy: config.core.v3.ConfigSource, ApiConfigSource, GrpcService, PathConfigSource.

Here: what a caller hands to the client, everything resolved: addresses instead of cluster names, bytes instead of data sources.
Not here: reading a bootstrap (compile), opening anything (grpc_channel, ads_stream, filesystem).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dataplane.api.transport_socket import DialledProtocol, Layer
from dataplane.base.address import Address
from dataplane.snapshot.cluster import TcpKeepalive
from dataplane.xds.backoff import BASE_INTERVAL, MAX_INTERVAL


@dataclass(frozen=True, slots=True)
class Tls:
    """`SslCredentials`, by gRPC's own rules.  PEM bytes.

    No root_certificates: the system's.  server_name, or else the target's host, has to be in the certificate.
    """

    root_certificates: bytes | None = None
    private_key: bytes | None = None
    certificate_chain: bytes | None = None
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class FileMetadata:
    """A header whose value is read from a file anew for each stream.  Envoy: FileBasedMetadataConfig."""

    path: str
    header_key: str = "authorization"
    header_prefix: str = ""


@dataclass(frozen=True, slots=True)
class EnvoyGrpc:
    """A static cluster that the bootstrap names.  endpoints: tried in turn.  authority: the cluster's name unless configured.

    secure: puts the cluster's transport socket, if it has one of its own, below the protocol of a connection that is about to be
    dialled; None from it: a secret is missing.  Raises ValueError for a server name that cannot be asked for.
    """

    cluster_name: str
    endpoints: tuple[Address, ...]
    authority: str = ""
    secure: Callable[[DialledProtocol], Layer | None] | None = None
    connect_timeout: float = 5.0
    max_receive_message_length: int = 0  # bytes; 0: no limit
    tcp_keepalive: TcpKeepalive | None = None


@dataclass(frozen=True, slots=True)
class GoogleGrpc:
    """A gRPC target with gRPC's own name resolution.  local: unencrypted, but only to this machine (`local_credentials`)."""

    target_uri: str
    tls: Tls | None = None
    local: bool = False
    channel_args: tuple[tuple[str, str | int], ...] = ()


@dataclass(frozen=True, slots=True)
class GrpcService:
    """A management server.  initial_metadata: lower-case header names.  Intervals in seconds."""

    target: EnvoyGrpc | GoogleGrpc
    initial_metadata: tuple[tuple[str, str], ...] = ()
    file_metadata: tuple[FileMetadata, ...] = ()
    backoff_base: float = BASE_INTERVAL
    backoff_max: float = MAX_INTERVAL


@dataclass(frozen=True, slots=True)
class ApiSource:
    """`ApiConfigSource` of type GRPC or DELTA_GRPC (or the aggregated ones, for `ads_config`).

    stream_key: sources that differ in it have streams of their own; for servers that serve one resource per stream.
    """

    service: GrpcService
    delta: bool = True
    set_node_on_first_message_only: bool = False
    stream_key: str = ""


@dataclass(frozen=True, slots=True)
class AdsSource:
    """The one aggregated stream of the bootstrap."""


@dataclass(frozen=True, slots=True)
class PathSource:
    """`PathConfigSource`.  watched_directory: a move inside it is the signal instead of a move of the file itself."""

    path: str
    watched_directory: str = ""


ADS = AdsSource()

Source = AdsSource | ApiSource | PathSource


@dataclass(frozen=True, slots=True)
class XdsConfig:
    """node: a serialized config.core.v3.Node.  ads: None where the bootstrap has no `ads_config`."""

    node: bytes
    ads: ApiSource | None = None
