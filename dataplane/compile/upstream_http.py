"""How a cluster speaks HTTP: HttpProtocolOptions in typed_extension_protocol_options, or the deprecated fields of Cluster.

Envoy: extensions.upstreams.http.v3.HttpProtocolOptions, config.core.v3.{HttpProtocolOptions, Http1ProtocolOptions}.
"""

from __future__ import annotations

from typing import Any, Final

from envoy.config.cluster.v3.cluster_pb2 import Cluster as ClusterMessage
from envoy.config.core.v3.protocol_pb2 import Http1ProtocolOptions
from envoy.config.core.v3.protocol_pb2 import HttpProtocolOptions as CommonMessage
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions as HttpMessage

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.fields import type_name, unpack_typed
from dataplane.compile.support import ignores, supports
from dataplane.compile.units import optional_seconds, wrapped
from dataplane.snapshot.cluster import HttpProtocolOptions

supports(HttpMessage, "common_http_protocol_options", "explicit_http_config")
supports(HttpMessage.ExplicitHttpConfig, "http_protocol_options")
supports(
    CommonMessage,
    "idle_timeout",
    "max_connection_duration",
    "max_headers_count",
    "max_response_headers_kb",
    "max_stream_duration",
    "max_requests_per_connection",
)
supports(Http1ProtocolOptions)
ignores(Http1ProtocolOptions, "use_balsa_parser", because="names one of Envoy's parsers")

KEY: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def compile_upstream_http(cluster: ClusterMessage, at: FieldPath) -> HttpProtocolOptions:
    """The options of *cluster*.  The extension's message, where it is there, hides the deprecated fields."""
    extensions = cluster.typed_extension_protocol_options
    for name in extensions:
        if name != KEY:
            kinds = "network or http filter or protocol options"
            raise ConfigError(
                at / "typed_extension_protocol_options" / name,
                f"Didn't find a registered {kinds} implementation for name: '{name}'",
            )
    if KEY not in extensions:
        return _common(cluster.common_http_protocol_options, _old_limit(cluster), at / "common_http_protocol_options")
    at_extension = at / "typed_extension_protocol_options" / KEY
    if type_name(extensions[KEY]) != HttpMessage.DESCRIPTOR.full_name:
        raise ConfigError(at_extension, f"Unable to unpack as {KEY}: {extensions[KEY].type_url}")
    message: Any = unpack_typed(extensions[KEY], at_extension)
    return _extension(message, cluster, at_extension)


def _extension(message: Any, cluster: ClusterMessage, at: FieldPath) -> HttpProtocolOptions:
    kind = message.WhichOneof("upstream_protocol_options")
    if kind != "explicit_http_config":
        raise ConfigError(at / (kind or "upstream_protocol_options"), "not supported" if kind else "is required")
    protocol = message.explicit_http_config.WhichOneof("protocol_config")
    if protocol != "http_protocol_options":
        at_protocol = at / "explicit_http_config" / (protocol or "protocol_config")
        raise ConfigError(at_protocol, "not supported" if protocol else "is required")
    common = message.common_http_protocol_options
    if common.HasField("max_requests_per_connection") and _old_limit(cluster):
        at_limit = at / "common_http_protocol_options" / "max_requests_per_connection"
        reason = "Only one of max_requests_per_connection from Cluster or HttpProtocolOptions can be specified"
        raise ConfigError(at_limit, reason)
    return _common(common, _old_limit(cluster), at / "common_http_protocol_options")


def _old_limit(cluster: ClusterMessage) -> int:
    limit: int = wrapped(cluster, "max_requests_per_connection", 0)
    return limit


def _common(message: Any, old_limit: int, at: FieldPath) -> HttpProtocolOptions:
    return HttpProtocolOptions(
        protocol="HTTP/1.1",
        idle_timeout=optional_seconds(message, "idle_timeout", at),
        max_connection_duration=optional_seconds(message, "max_connection_duration", at),
        max_requests_per_connection=wrapped(message, "max_requests_per_connection", old_limit),
        max_response_headers_kb=wrapped(message, "max_response_headers_kb", 60),
        max_headers_count=wrapped(message, "max_headers_count", 100),
        max_stream_duration=optional_seconds(message, "max_stream_duration", at),
    )
