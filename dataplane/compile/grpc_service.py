"""GrpcService → snapshot.config_source.GrpcService.  Envoy: config.core.v3.GrpcService."""

from __future__ import annotations

from typing import Any

from envoy.config.core.v3.backoff_pb2 import BackoffStrategy
from envoy.config.core.v3.base_pb2 import RetryPolicy
from envoy.config.core.v3.grpc_service_pb2 import GrpcService as GrpcServiceMessage
from envoy.config.grpc_credential.v3.file_based_metadata_pb2 import FileBasedMetadataConfig

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.data_source import read_data_source
from dataplane.compile.fields import type_name, unpack_typed
from dataplane.compile.support import ignores, supports
from dataplane.compile.units import seconds, seconds_or, wrapped
from dataplane.snapshot.config_source import EnvoyGrpc, FileMetadata, GoogleGrpc, GrpcService, TlsCredentials

_EnvoyGrpc = GrpcServiceMessage.EnvoyGrpc
_GoogleGrpc = GrpcServiceMessage.GoogleGrpc

supports(GrpcServiceMessage, "envoy_grpc", "google_grpc", "timeout", "initial_metadata")
supports(_EnvoyGrpc, "cluster_name", "authority", "retry_policy", "max_receive_message_length")
ignores(_EnvoyGrpc, "skip_envoy_headers", because="no x-envoy headers are sent to a management server")
supports(_GoogleGrpc, "target_uri", "channel_credentials", "call_credentials", "stat_prefix", "channel_args")
ignores(
    _GoogleGrpc,
    "credentials_factory_name",
    "per_stream_buffer_limit_bytes",
    because="the credentials themselves say which factory; the gRPC library buffers as it does",
)
supports(_GoogleGrpc.ChannelCredentials, "ssl_credentials", "local_credentials")
supports(_GoogleGrpc.SslCredentials, "root_certs", "private_key", "cert_chain")
supports(_GoogleGrpc.GoogleLocalCredentials)
supports(_GoogleGrpc.CallCredentials, "from_plugin")
supports(_GoogleGrpc.CallCredentials.MetadataCredentialsFromPlugin, "name", "typed_config")
supports(_GoogleGrpc.ChannelArgs, "args")
supports(_GoogleGrpc.ChannelArgs.Value, "string_value", "int_value")
supports(FileBasedMetadataConfig, "secret_data", "header_key", "header_prefix")
supports(RetryPolicy, "retry_back_off")
ignores(RetryPolicy, "num_retries", because="a stream to a management server is opened again as often as it takes")
supports(BackoffStrategy, "base_interval", "max_interval")


def compile_grpc_service(message: GrpcServiceMessage, at: FieldPath) -> GrpcService:
    kind = message.WhichOneof("target_specifier")
    if kind is None:
        raise ConfigError(at / "target_specifier", "is required")
    target = _envoy_grpc(message.envoy_grpc) if kind == "envoy_grpc" else _google_grpc(message.google_grpc, at / kind)
    return GrpcService(
        target=target,
        timeout=seconds_or(message, "timeout", 0.0, at),
        initial_metadata=tuple((each.key.lower(), each.value) for each in message.initial_metadata),
        backoff=_backoff(message.envoy_grpc, at / kind) if kind == "envoy_grpc" else None,
    )


def _envoy_grpc(message: Any) -> EnvoyGrpc:
    return EnvoyGrpc(message.cluster_name, message.authority, wrapped(message, "max_receive_message_length", 0))


def _backoff(message: Any, at: FieldPath) -> tuple[float, float] | None:
    if not message.retry_policy.HasField("retry_back_off"):
        return None
    at = at / "retry_policy" / "retry_back_off"
    strategy = message.retry_policy.retry_back_off
    base = seconds(strategy.base_interval, at / "base_interval")
    most = seconds_or(strategy, "max_interval", base * 10, at)
    if most < base:
        raise ConfigError(at / "max_interval", "max_interval must be greater than or equal to the base_interval")
    return base, most


def _google_grpc(message: Any, at: FieldPath) -> GoogleGrpc:
    credentials = message.channel_credentials
    return GoogleGrpc(
        target_uri=message.target_uri,
        stat_prefix=message.stat_prefix,
        tls=_tls(credentials.ssl_credentials, at) if credentials.HasField("ssl_credentials") else None,
        local=credentials.HasField("local_credentials"),
        file_metadata=tuple(
            _file_metadata(each, at / "call_credentials" / index) for index, each in enumerate(message.call_credentials)
        ),
        channel_args=tuple(
            (name, getattr(value, value.WhichOneof("value_specifier") or "string_value"))
            for name, value in sorted(message.channel_args.args.items())
        ),
    )


def _tls(message: Any, at: FieldPath) -> TlsCredentials:
    at = at / "channel_credentials" / "ssl_credentials"

    def read(field: str) -> bytes | None:
        return read_data_source(getattr(message, field), at / field) if message.HasField(field) else None

    return TlsCredentials(read("root_certs"), read("private_key"), read("cert_chain"))


def _file_metadata(credentials: Any, at: FieldPath) -> FileMetadata:
    if credentials.WhichOneof("credential_specifier") != "from_plugin":
        raise ConfigError(at, "only from_plugin is supported")
    packed = credentials.from_plugin.typed_config
    at = at / "from_plugin" / "typed_config"
    if type_name(packed) != FileBasedMetadataConfig.DESCRIPTOR.full_name:
        raise ConfigError(at, f"type {type_name(packed)!r} is not supported")
    config: Any = unpack_typed(packed, at)
    if config.secret_data.WhichOneof("specifier") != "filename":
        raise ConfigError(at / "secret_data", "only filename is supported")
    return FileMetadata(config.secret_data.filename, config.header_key or "authorization", config.header_prefix)
