"""How a cluster speaks HTTP: HttpProtocolOptions in typed_extension_protocol_options, or the deprecated fields of Cluster.

Envoy: extensions.upstreams.http.v3.HttpProtocolOptions, config.core.v3.{HttpProtocolOptions, Http1ProtocolOptions}.
"""

from __future__ import annotations

from typing import Any, Final

from envoy.config.cluster.v3.cluster_pb2 import Cluster as ClusterMessage
from envoy.config.core.v3.protocol_pb2 import Http1ProtocolOptions
from envoy.config.core.v3.protocol_pb2 import HttpProtocolOptions as CommonMessage
from envoy.config.core.v3.protocol_pb2 import UpstreamHttpProtocolOptions as NamesMessage
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import UpstreamTlsContext
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions as HttpMessage

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.fields import type_name, unpack_typed
from dataplane.compile.http2_options import compile_http2_options
from dataplane.compile.support import ignores, supports
from dataplane.compile.units import optional_seconds, wrapped
from dataplane.semantics.h2_options import Http2Options
from dataplane.snapshot.cluster import AutoNames, HttpProtocolOptions

supports(
    HttpMessage,
    "common_http_protocol_options",
    "explicit_http_config",
    "use_downstream_protocol_config",
    "auto_config",
    "upstream_http_protocol_options",
)
supports(HttpMessage.AutoHttpConfig, "http_protocol_options", "http2_protocol_options")
supports(NamesMessage, "auto_sni", "auto_san_validation", "override_auto_sni_header")
supports(HttpMessage.ExplicitHttpConfig, "http_protocol_options", "http2_protocol_options")
supports(HttpMessage.UseDownstreamHttpConfig, "http_protocol_options", "http2_protocol_options")
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

# Fields of Http1ProtocolOptions that say nothing to a client, in Envoy neither.
_SERVER_SIDE: Final = frozenset({"accept_http_10", "default_host_for_http_10", "allow_absolute_url", "use_balsa_parser"})

_PROTOCOLS: Final = {"http_protocol_options": "HTTP/1.1", "http2_protocol_options": "HTTP/2"}


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
        return _deprecated(cluster, at)
    at_extension = at / "typed_extension_protocol_options" / KEY
    if type_name(extensions[KEY]) != HttpMessage.DESCRIPTOR.full_name:
        raise ConfigError(at_extension, f"Unable to unpack as {KEY}: {extensions[KEY].type_url}")
    message: Any = unpack_typed(extensions[KEY], at_extension)
    return _extension(message, cluster, at_extension)


def _deprecated(cluster: ClusterMessage, at: FieldPath) -> HttpProtocolOptions:
    """The fields of Cluster itself: that http2_protocol_options is there says what is spoken."""
    _check_http1(cluster.http_protocol_options, at / "http_protocol_options")
    http2 = compile_http2_options(cluster.http2_protocol_options, at / "http2_protocol_options")
    if cluster.protocol_selection == ClusterMessage.USE_DOWNSTREAM_PROTOCOL:
        protocol = "DOWNSTREAM"
    else:
        protocol = "HTTP/2" if cluster.HasField("http2_protocol_options") else "HTTP/1.1"
    at_common = at / "common_http_protocol_options"
    names = _names(cluster.upstream_http_protocol_options)
    return _common(cluster.common_http_protocol_options, _old_limit(cluster), at_common, protocol, http2, names)


def _extension(message: Any, cluster: ClusterMessage, at: FieldPath) -> HttpProtocolOptions:
    kind = message.WhichOneof("upstream_protocol_options")
    if kind not in ("explicit_http_config", "use_downstream_protocol_config", "auto_config"):
        raise ConfigError(at / (kind or "upstream_protocol_options"), "not supported" if kind else "is required")
    options, at_options = getattr(message, kind), at / kind
    protocol = "AUTO" if kind == "auto_config" else "DOWNSTREAM"
    if kind == "auto_config":
        _check_alpn(cluster, at_options)
    if kind == "explicit_http_config":
        chosen = options.WhichOneof("protocol_config")
        if chosen not in _PROTOCOLS:
            raise ConfigError(at_options / (chosen or "protocol_config"), "not supported" if chosen else "is required")
        protocol = _PROTOCOLS[chosen]
    common = message.common_http_protocol_options
    if common.HasField("max_requests_per_connection") and _old_limit(cluster):
        at_limit = at / "common_http_protocol_options" / "max_requests_per_connection"
        reason = "Only one of max_requests_per_connection from Cluster or HttpProtocolOptions can be specified"
        raise ConfigError(at_limit, reason)
    _check_http1(options.http_protocol_options, at_options / "http_protocol_options")
    http2 = compile_http2_options(options.http2_protocol_options, at_options / "http2_protocol_options")
    names = _names(message.upstream_http_protocol_options)
    return _common(common, _old_limit(cluster), at / "common_http_protocol_options", protocol, http2, names)


def _check_alpn(cluster: ClusterMessage, at: FieldPath) -> None:
    """Only a handshake can agree on a protocol."""
    for holder in (cluster, *cluster.transport_socket_matches):
        name = holder.transport_socket.name or "envoy.transport_sockets.raw_buffer"
        if type_name(holder.transport_socket.typed_config) != UpstreamTlsContext.DESCRIPTOR.full_name:
            raise ConfigError(at, f"ALPN configured for cluster {cluster.name} which has a non-ALPN transport socket: {name}")


def _names(message: NamesMessage) -> AutoNames | None:
    if not message.auto_sni and not message.auto_san_validation:
        return None
    return AutoNames(message.auto_sni, message.auto_san_validation, message.override_auto_sni_header.lower().encode())


def _check_http1(message: Any, at: FieldPath) -> None:
    """Options that a connection manager honours and a cluster does not yet."""
    for field, _ in message.ListFields():
        if field.name not in _SERVER_SIDE:
            raise ConfigError(at / field.name, "is not supported by this version for a cluster")


def _old_limit(cluster: ClusterMessage) -> int:
    limit: int = wrapped(cluster, "max_requests_per_connection", 0)
    return limit


def _common(
    message: Any, old_limit: int, at: FieldPath, protocol: str, http2: Http2Options, names: AutoNames | None
) -> HttpProtocolOptions:
    return HttpProtocolOptions(
        protocol=protocol,
        auto_names=names,
        http2=http2,
        idle_timeout=optional_seconds(message, "idle_timeout", at),
        max_connection_duration=optional_seconds(message, "max_connection_duration", at),
        max_requests_per_connection=wrapped(message, "max_requests_per_connection", old_limit),
        max_response_headers_kb=wrapped(message, "max_response_headers_kb", 80),
        max_headers_count=wrapped(message, "max_headers_count", 100),
        max_stream_duration=optional_seconds(message, "max_stream_duration", at),
    )
