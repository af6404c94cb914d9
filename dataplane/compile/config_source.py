"""ConfigSource and ApiConfigSource → snapshot.config_source.

Not here: whether the clusters that are named exist (bootstrap.rules), opening streams (xds).
Envoy: config.core.v3.{ConfigSource, ApiConfigSource, PathConfigSource}.
"""

from __future__ import annotations

import os
from typing import Final

from envoy.config.core.v3.base_pb2 import WatchedDirectory
from envoy.config.core.v3.config_source_pb2 import AggregatedConfigSource, ApiVersion
from envoy.config.core.v3.config_source_pb2 import ApiConfigSource as ApiMessage
from envoy.config.core.v3.config_source_pb2 import ConfigSource as ConfigSourceMessage
from envoy.config.core.v3.config_source_pb2 import PathConfigSource as PathMessage

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.elsewhere import is_elsewhere
from dataplane.compile.grpc_service import compile_grpc_service
from dataplane.compile.support import ignores, supports
from dataplane.compile.units import seconds_or
from dataplane.snapshot.config_source import ADS, AdsConfigSource, ApiConfigSource, ConfigSource, PathConfigSource

supports(ConfigSourceMessage, "path", "path_config_source", "api_config_source", "ads", "initial_fetch_timeout")
ignores(ConfigSourceMessage, "resource_api_version", because="there is no version but v3")
supports(AggregatedConfigSource)
supports(PathMessage, "path", "watched_directory")
supports(WatchedDirectory, "path")
supports(
    ApiMessage,
    "grpc_services",
    "set_node_on_first_message_only",
    "transport_api_version",
    api_type=("GRPC", "DELTA_GRPC", "AGGREGATED_GRPC", "AGGREGATED_DELTA_GRPC"),
)

_INITIAL_FETCH_TIMEOUT: Final = 15.0
_DELTA: Final = frozenset({ApiMessage.DELTA_GRPC, ApiMessage.AGGREGATED_DELTA_GRPC})
_AGGREGATED: Final = frozenset({ApiMessage.AGGREGATED_GRPC, ApiMessage.AGGREGATED_DELTA_GRPC})


def compile_config_source(message: ConfigSourceMessage, at: FieldPath) -> ConfigSource:
    return ConfigSource(
        specifier=_specifier(message, at),
        initial_fetch_timeout=seconds_or(message, "initial_fetch_timeout", _INITIAL_FETCH_TIMEOUT, at),
    )


def _specifier(message: ConfigSourceMessage, at: FieldPath) -> AdsConfigSource | ApiConfigSource | PathConfigSource:
    kind = message.WhichOneof("config_source_specifier")
    match kind:
        case "ads":
            return ADS
        case "path":
            return _path_source(message.path, "", at / "path")
        case "path_config_source":
            source = message.path_config_source
            return _path_source(source.path, source.watched_directory.path, at / kind / "path")
        case "api_config_source":
            return compile_api_config_source(message.api_config_source, at / kind)
        case None:
            raise ConfigError(at, "Missing config source specifier in envoy::config::core::v3::ConfigSource")
    raise ConfigError(at / kind, "not supported")


def _path_source(path: str, watched_directory: str, at: FieldPath) -> PathConfigSource:
    if not is_elsewhere() and not os.path.lexists(path):
        raise ConfigError(at, f"paths must refer to an existing path in the system: '{path}' does not exist")
    return PathConfigSource(path, watched_directory)


def compile_api_config_source(message: ApiMessage, at: FieldPath) -> ApiConfigSource:
    """A management server.  Only gRPC is spoken."""
    if message.transport_api_version == ApiVersion.V2:
        raise ConfigError(at / "transport_api_version", "V2 xDS transport protocol version is deprecated and no longer supported")
    if message.cluster_names:
        raise ConfigError(at / "cluster_names", "(AGGREGATED_)(DELTA_)GRPC must not have a cluster name specified")
    if len(message.grpc_services) != 1:
        raise ConfigError(at / "grpc_services", "must have a single gRPC service specified")
    return ApiConfigSource(
        grpc_service=compile_grpc_service(message.grpc_services[0], at / "grpc_services" / 0),
        delta=message.api_type in _DELTA,
        aggregated=message.api_type in _AGGREGATED,
        set_node_on_first_message_only=message.set_node_on_first_message_only,
    )
