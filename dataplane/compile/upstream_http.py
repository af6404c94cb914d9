"""How a cluster speaks HTTP: HttpProtocolOptions in typed_extension_protocol_options, or the deprecated fields of Cluster.

Not here: what it says about requests (http_policies).
Envoy: extensions.upstreams.http.v3.HttpProtocolOptions, config.core.v3.{HttpProtocolOptions, Http1ProtocolOptions}.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from envoy.config.cluster.v3.cluster_pb2 import Cluster as ClusterMessage
from envoy.config.core.v3.protocol_pb2 import Http1ProtocolOptions
from envoy.config.core.v3.protocol_pb2 import HttpProtocolOptions as CommonMessage
from envoy.config.core.v3.protocol_pb2 import UpstreamHttpProtocolOptions as NamesMessage
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import UpstreamTlsContext
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions as HttpMessage

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.fields import type_name, unpack_typed
from dataplane.compile.http1_options import compile_http1_options
from dataplane.compile.http2_options import compile_http2_options
from dataplane.compile.support import supports
from dataplane.compile.units import optional_seconds, wrapped
from dataplane.semantics.h1_options import Http1Options
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

KEY: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

_PROTOCOLS: Final = {"http_protocol_options": "HTTP/1.1", "http2_protocol_options": "HTTP/2"}


def compile_upstream_http(cluster: ClusterMessage, at: FieldPath, context: CompileContext) -> HttpProtocolOptions:
    """The options of *cluster*.  The extension's message, where it is there, hides the deprecated fields."""
    message, at_extension = http_extension(cluster, at)
    if message is None:
        return _deprecated(cluster, at, context)
    return _extension(message, cluster, at_extension, context)


def http_extension(cluster: ClusterMessage, at: FieldPath) -> tuple[Any, FieldPath]:
    """The extension's message, None where there is none, and where it stands.  *at*: the cluster."""
    extensions = cluster.typed_extension_protocol_options
    for name in extensions:
        if name != KEY:
            kinds = "network or http filter or protocol options"
            raise ConfigError(
                at / "typed_extension_protocol_options" / name,
                f"Didn't find a registered {kinds} implementation for name: '{name}'",
            )
    at_extension = at / "typed_extension_protocol_options" / KEY
    if KEY not in extensions:
        return None, at_extension
    if type_name(extensions[KEY]) != HttpMessage.DESCRIPTOR.full_name:
        raise ConfigError(at_extension, f"Unable to unpack as {KEY}: {extensions[KEY].type_url}")
    return unpack_typed(extensions[KEY], at_extension), at_extension


def _deprecated(cluster: ClusterMessage, at: FieldPath, context: CompileContext) -> HttpProtocolOptions:
    """The fields of Cluster itself: that http2_protocol_options is there says what is spoken."""
    http1 = _http1(cluster.http_protocol_options, at / "http_protocol_options", context)
    http2 = compile_http2_options(cluster.http2_protocol_options, at / "http2_protocol_options")
    if cluster.protocol_selection == ClusterMessage.USE_DOWNSTREAM_PROTOCOL:
        protocol = "DOWNSTREAM"
    else:
        protocol = "HTTP/2" if cluster.HasField("http2_protocol_options") else "HTTP/1.1"
    at_common = at / "common_http_protocol_options"
    names = _names(cluster.upstream_http_protocol_options)
    common = _common(cluster.common_http_protocol_options, _old_limit(cluster), at_common)
    return replace(common, protocol=protocol, http1=http1, http2=http2, auto_names=names)


def _extension(message: Any, cluster: ClusterMessage, at: FieldPath, context: CompileContext) -> HttpProtocolOptions:
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
    http1 = _http1(options.http_protocol_options, at_options / "http_protocol_options", context)
    http2 = compile_http2_options(options.http2_protocol_options, at_options / "http2_protocol_options")
    names = _names(message.upstream_http_protocol_options)
    made = _common(common, _old_limit(cluster), at / "common_http_protocol_options")
    return replace(made, protocol=protocol, http1=http1, http2=http2, auto_names=names)


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


def _http1(message: Http1ProtocolOptions, at: FieldPath, context: CompileContext) -> Http1Options:
    """Upgrades come to servers only; without their matchers, equal options are equal values."""
    return replace(compile_http1_options(message, at, context), ignores_upgrade=None)


def _old_limit(cluster: ClusterMessage) -> int:
    limit: int = wrapped(cluster, "max_requests_per_connection", 0)
    return limit


def _common(message: Any, old_limit: int, at: FieldPath) -> HttpProtocolOptions:
    return HttpProtocolOptions(
        idle_timeout=optional_seconds(message, "idle_timeout", at),
        max_connection_duration=optional_seconds(message, "max_connection_duration", at),
        max_requests_per_connection=wrapped(message, "max_requests_per_connection", old_limit),
        max_response_headers_kb=wrapped(message, "max_response_headers_kb", 80),
        max_headers_count=wrapped(message, "max_headers_count", 100),
        max_stream_duration=optional_seconds(message, "max_stream_duration", at),
    )
