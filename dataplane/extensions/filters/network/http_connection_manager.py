"""HTTP connection manager.  Envoy: envoy.filters.network.http_connection_manager.

Here: the message → http.config.HttpConnectionManagerConfig.  Not here: connections and streams (http), routes (compile.route_config).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from envoy.config.core.v3.protocol_pb2 import HttpProtocolOptions, SchemeHeaderTransformation
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
    HttpFilter,
    LocalReplyConfig,
    Rds,
    RequestIDExtension,
    ResponseMapper,
)

from dataplane.api import registry
from dataplane.api.http_filter import HttpStream
from dataplane.api.original_ip import IpDetector
from dataplane.api.registry import extension
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.access_log import compile_access_logs, compile_format
from dataplane.compile.access_log_filter import compile_log_filter
from dataplane.compile.config_source import compile_config_source
from dataplane.compile.context import CompileContext
from dataplane.compile.data_source import read_data_source
from dataplane.compile.fields import find_extension, type_name
from dataplane.compile.filter_chain import NETWORK_FILTER_KIND, check_terminal, compile_ranges
from dataplane.compile.header_mutations import compile_additions
from dataplane.compile.http1_options import compile_http1_options
from dataplane.compile.http2_options import compile_http2_options
from dataplane.compile.original_ip import compile_ip_detectors
from dataplane.compile.route_config import compile_route_configuration
from dataplane.compile.scoped_routes import compile_scoped_routes
from dataplane.compile.support import ignores, supports
from dataplane.compile.tracing import OF_SPANS, SAMPLING, compile_request_id, compile_tracing
from dataplane.compile.units import optional_seconds, seconds_or, wrapped
from dataplane.http import config as values
from dataplane.http.connection_factory import HttpConnectionManagerFactory
from dataplane.observe.format import JsonFormat
from dataplane.router.router import RouterFactory
from dataplane.router.scheme import SchemeMatchingFactory
from dataplane.routing.trace_sampling import DEFAULT_REQUEST_ID
from dataplane.snapshot.listener import RdsSource

supports(
    HttpConnectionManager,
    "stat_prefix",
    "rds",
    "route_config",
    "scoped_routes",
    "http_filters",
    "add_user_agent",
    "common_http_protocol_options",
    "http_protocol_options",
    "http2_protocol_options",
    "server_name",
    "server_header_transformation",
    "scheme_header_transformation",
    "max_request_headers_kb",
    "stream_idle_timeout",
    "stream_flush_timeout",
    "http1_safe_max_connection_duration",
    "request_timeout",
    "request_headers_timeout",
    "drain_timeout",
    "delayed_close_timeout",
    "access_log",
    "access_log_flush_interval",
    "flush_access_log_on_new_request",
    "access_log_options",
    "use_remote_address",
    "xff_num_trusted_hops",
    "internal_address_config",
    "original_ip_detection_extensions",
    "skip_xff_append",
    "request_id_extension",
    "tracing",
    "via",
    "generate_request_id",
    "preserve_external_request_id",
    "always_set_request_id_in_response",
    "proxy_100_continue",
    "normalize_path",
    "merge_slashes",
    "path_with_escaped_slashes_action",
    "local_reply_config",
    "strip_matching_host_port",
    "strip_any_host_port",
    "stream_error_on_invalid_http_message",
    "strip_trailing_host_dot",
    "append_x_forwarded_port",
    "add_proxy_protocol_connection_state",
    "upgrade_configs",
    codec_type=("AUTO", "HTTP1", "HTTP2"),
    forward_client_cert_details=("SANITIZE", "FORWARD_ONLY", "APPEND_FORWARD", "SANITIZE_SET", "ALWAYS_FORWARD_ONLY"),
)
supports(HttpConnectionManager, "set_current_client_cert_details")
supports(HttpConnectionManager.SetCurrentClientCertDetails, "subject", "cert", "chain", "dns", "uri")
supports(RequestIDExtension, "typed_config")
supports(HttpConnectionManager.Tracing, *SAMPLING)
ignores(
    HttpConnectionManager.Tracing,
    *(field for field in HttpConnectionManager.Tracing.DESCRIPTOR.fields_by_name if field not in (*SAMPLING, "provider")),
    because=OF_SPANS,
)
supports(HttpConnectionManager.InternalAddressConfig, "unix_sockets", "cidr_ranges")
supports(HttpConnectionManager.UpgradeConfig, "upgrade_type", "enabled")
supports(
    HttpConnectionManager.HcmAccessLogOptions,
    "access_log_flush_interval",
    "flush_access_log_on_new_request",
    "flush_log_on_tunnel_successfully_established",
)
supports(Rds, "config_source", "route_config_name")
supports(HttpFilter, "name", "typed_config", "is_optional", "disabled")
supports(LocalReplyConfig, "mappers", "body_format")
supports(ResponseMapper, "filter", "status_code", "body", "body_format_override", "headers_to_add")
supports(HttpProtocolOptions, "headers_with_underscores_action")
supports(SchemeHeaderTransformation, "scheme_to_overwrite", "match_upstream")

HTTP_FILTER_KIND: Final = "envoy.filters.http"


@extension(NETWORK_FILTER_KIND, HttpConnectionManager.DESCRIPTOR.full_name, terminal=True)
def compile_config(message: HttpConnectionManager, at: FieldPath, context: CompileContext) -> HttpConnectionManagerFactory:
    return HttpConnectionManagerFactory(compile_manager(message, at, context))


def compile_manager(message: HttpConnectionManager, at: FieldPath, context: CompileContext) -> values.HttpConnectionManagerConfig:
    """Errors of parts go to the context."""
    return values.HttpConnectionManagerConfig(
        stat_prefix=message.stat_prefix,
        **_routes(message, at, context),
        http_filters=_http_filters(message, at / "http_filters", context),
        codec_type=_member(values.CodecType, message.codec_type, at / "codec_type"),
        access_log=compile_access_logs(message.access_log, at / "access_log", context),
        access_log_options=_log_options(message, at),
        **_limits(message, at, context),
        **_times(message, at),
        **_peer(message, at, context),
        **_identity(message, at, context),
        trace_sampling=compile_tracing(message, context),
        **_request_form(message, at),
        local_reply=_local_reply(message, at / "local_reply_config", context),
        upgrade_configs=_upgrades(message, at / "upgrade_configs"),
    )


def _log_options(message: HttpConnectionManager, at: FieldPath) -> values.AccessLogOptions:
    """The deprecated fields say the same; both at once are refused, as by Envoy."""
    options = message.access_log_options
    for old in ("access_log_flush_interval", "flush_access_log_on_new_request"):
        is_set = message.HasField(old) if old == "access_log_flush_interval" else message.flush_access_log_on_new_request
        if is_set and message.HasField("access_log_options"):
            raise ConfigError(at / old, f"Only one of {old} or access_log_options can be specified.")
    interval = optional_seconds(message, "access_log_flush_interval", at)
    if interval is None:
        interval = seconds_or(options, "access_log_flush_interval", 0.0, at / "access_log_options")
    return values.AccessLogOptions(
        interval=interval,
        on_new_request=message.flush_access_log_on_new_request or options.flush_access_log_on_new_request,
        on_tunnel=options.flush_log_on_tunnel_successfully_established,
    )


def _member(enum: Any, number: int, at: FieldPath) -> Any:
    try:
        return enum(number)
    except ValueError:
        raise ConfigError(at, f"undefined value {number}") from None


# -- routes and filters ------------------------------------------------------------------------------------------------


def _routes(message: HttpConnectionManager, at: FieldPath, context: CompileContext) -> dict[str, Any]:
    kind = message.WhichOneof("route_specifier")
    if kind == "route_config":
        routes = compile_route_configuration(message.route_config, at / kind, context, validate_clusters=True)
        context.cluster_names.update(routes.cluster_names)
        return {"route_configuration": routes}
    if kind == "scoped_routes":
        return {"scoped_routes": compile_scoped_routes(message.scoped_routes, message.stat_prefix, at / kind, context)}
    if kind != "rds":
        raise ConfigError(at / (kind or "route_specifier"), "not supported" if kind else "is required")
    source = compile_config_source(message.rds.config_source, at / "rds" / "config_source")
    context.rds_sources.append(RdsSource(message.rds.route_config_name, source, message.stat_prefix))
    return {"rds_name": message.rds.route_config_name}


def _http_filters(message: HttpConnectionManager, at: FieldPath, context: CompileContext) -> tuple[values.HttpFilterEntry, ...]:
    entries = []
    last = len(message.http_filters) - 1
    for index, each in enumerate(message.http_filters):
        with context.problems.collect():
            if each.is_optional and registry.find(HTTP_FILTER_KIND, type_name(each.typed_config)) is None:
                continue
            entries.append(_http_filter(each, at / index, context))
            _check_place(each, index == last, at / index)
    if entries and message.scheme_header_transformation.match_upstream and isinstance(entries[-1].config, RouterFactory):
        entries[-1] = replace(entries[-1], config=SchemeMatchingFactory(entries[-1].config.config))
    return tuple(entries) or (values.HttpFilterEntry("", _NoAnswer()),)


def _http_filter(message: HttpFilter, at: FieldPath, context: CompileContext) -> values.HttpFilterEntry:
    at_config = at / "typed_config"
    compile_filter, config = find_extension(HTTP_FILTER_KIND, message.typed_config, message.name, at_config)
    return values.HttpFilterEntry(message.name, compile_filter(config, at_config, context), message.disabled)


def _check_place(message: HttpFilter, is_last: bool, at: FieldPath) -> None:
    full_name = type_name(message.typed_config)
    check_terminal(message.name, full_name, "http", at, registry.is_terminal(HTTP_FILTER_KIND, full_name), is_last)
    if is_last and message.disabled:
        reason = f"Error: the last (terminal) filter ({message.name}) in the chain cannot be disabled by default."
        raise ConfigError(at / "disabled", reason)


class _NoAnswer:
    """Stands at the end of an empty list of filters: requests are taken and never answered, until a timer of the stream ends them."""

    def bind(self, server: object, stats: object) -> _NoAnswer:
        return self

    def new_stream(self, stream: HttpStream) -> _NoAnswer:
        return self

    def decode_headers(self, headers: object, end_stream: bool) -> None: ...

    def decode_data(self, data: bytes, end_stream: bool) -> None: ...

    def decode_trailers(self, trailers: object) -> None: ...

    def on_downstream_blocked(self) -> None: ...

    def on_downstream_ready(self) -> None: ...

    def on_destroy(self) -> None: ...


def _upgrades(message: HttpConnectionManager, at: FieldPath) -> tuple[values.UpgradeConfig, ...]:
    found: dict[bytes, values.UpgradeConfig] = {}
    for index, each in enumerate(message.upgrade_configs):
        upgrade_type = each.upgrade_type.lower().encode()
        if upgrade_type in found:
            raise ConfigError(at / index, f"Error: multiple upgrade configs with the same name: '{each.upgrade_type}'")
        found[upgrade_type] = values.UpgradeConfig(upgrade_type, wrapped(each, "enabled", True))
    return tuple(found.values())


# -- limits and times --------------------------------------------------------------------------------------------------


def _limits(message: HttpConnectionManager, at: FieldPath, context: CompileContext) -> dict[str, Any]:
    common = message.common_http_protocol_options
    stream_error = wrapped(message, "stream_error_on_invalid_http_message", False)
    at_common = at / "common_http_protocol_options"
    return {
        "max_request_headers_kb": wrapped(message, "max_request_headers_kb", 60),
        "max_headers_count": wrapped(common, "max_headers_count", 100),
        "max_requests_per_connection": wrapped(common, "max_requests_per_connection", 0),
        "headers_with_underscores_action": _member(
            values.UnderscoresAction, common.headers_with_underscores_action, at_common / "headers_with_underscores_action"
        ),
        "stream_error_on_invalid_http_message": stream_error,
        "http2": compile_http2_options(message.http2_protocol_options, at / "http2_protocol_options", stream_error),
        "http1": compile_http1_options(message.http_protocol_options, at / "http_protocol_options", context, stream_error),
    }


def _times(message: HttpConnectionManager, at: FieldPath) -> dict[str, Any]:
    common, at_common = message.common_http_protocol_options, at / "common_http_protocol_options"
    return {
        "idle_timeout": seconds_or(common, "idle_timeout", 3600.0, at_common),
        "max_connection_duration": seconds_or(common, "max_connection_duration", 0.0, at_common),
        "max_stream_duration": seconds_or(common, "max_stream_duration", 0.0, at_common),
        "http1_safe_max_connection_duration": message.http1_safe_max_connection_duration,
        "stream_flush_timeout": optional_seconds(message, "stream_flush_timeout", at),
        "stream_idle_timeout": seconds_or(message, "stream_idle_timeout", 300.0, at),
        "request_timeout": seconds_or(message, "request_timeout", 0.0, at),
        "request_headers_timeout": seconds_or(message, "request_headers_timeout", 0.0, at),
        "drain_timeout": seconds_or(message, "drain_timeout", 5.0, at),
        "delayed_close_timeout": seconds_or(message, "delayed_close_timeout", 1.0, at),
    }


# -- who asks, who we are, the request's form --------------------------------------------------------------------------


def _peer(message: HttpConnectionManager, at: FieldPath, context: CompileContext) -> dict[str, Any]:
    internal = None
    detectors: tuple[IpDetector, ...] = ()
    with context.problems.collect():
        detectors = compile_ip_detectors(message, at, context)
    if message.HasField("internal_address_config"):
        with context.problems.collect():
            at_ranges = at / "internal_address_config" / "cidr_ranges"
            internal = values.InternalAddresses(
                message.internal_address_config.unix_sockets,
                compile_ranges(message.internal_address_config.cidr_ranges, at_ranges),
            )
    return {
        "use_remote_address": wrapped(message, "use_remote_address", False),
        "xff_num_trusted_hops": message.xff_num_trusted_hops,
        "skip_xff_append": message.skip_xff_append,
        "ip_detectors": detectors,
        "append_x_forwarded_port": message.append_x_forwarded_port,
        "add_proxy_protocol_connection_state": wrapped(message, "add_proxy_protocol_connection_state", True),
        "internal_addresses": internal,
        "forward_client_cert": _member(
            values.ForwardClientCert, message.forward_client_cert_details, at / "forward_client_cert_details"
        ),
        "client_cert_details": _client_cert_details(message.set_current_client_cert_details),
        "scheme_to_overwrite": message.scheme_header_transformation.scheme_to_overwrite.encode(),
    }


def _client_cert_details(message: HttpConnectionManager.SetCurrentClientCertDetails) -> frozenset[values.ClientCertDetail]:
    flags = {detail: getattr(message, detail.value) for detail in values.ClientCertDetail}
    flags[values.ClientCertDetail.SUBJECT] = message.subject.value
    return frozenset(detail for detail, is_set in flags.items() if is_set)


def _identity(message: HttpConnectionManager, at: FieldPath, context: CompileContext) -> dict[str, Any]:
    request_id = DEFAULT_REQUEST_ID
    with context.problems.collect():
        request_id = compile_request_id(message, at, context)
    return {
        "request_id": request_id,
        "server_name": message.server_name.encode() or b"envoy",
        "server_header_transformation": _member(
            values.ServerHeaderTransformation, message.server_header_transformation, at / "server_header_transformation"
        ),
        "via": message.via.encode(),
        "add_user_agent": wrapped(message, "add_user_agent", False),
        "generate_request_id": wrapped(message, "generate_request_id", True),
        "preserve_external_request_id": message.preserve_external_request_id,
        "always_set_request_id_in_response": message.always_set_request_id_in_response,
    }


def _request_form(message: HttpConnectionManager, at: FieldPath) -> dict[str, Any]:
    action = message.path_with_escaped_slashes_action or HttpConnectionManager.KEEP_UNCHANGED
    return {
        "normalize_path": wrapped(message, "normalize_path", False),
        "merge_slashes": message.merge_slashes,
        "path_with_escaped_slashes_action": _member(values.EscapedSlashesAction, action, at / "path_with_escaped_slashes_action"),
        "strip_port": _strip_port(message, at),
        "strip_trailing_host_dot": message.strip_trailing_host_dot,
        "proxy_100_continue": message.proxy_100_continue,
    }


def _strip_port(message: HttpConnectionManager, at: FieldPath) -> values.StripPort:
    if message.strip_matching_host_port and message.strip_any_host_port:
        reason = "Error: Only one of `strip_matching_host_port` or `strip_any_host_port` can be set."
        raise ConfigError(at / "strip_any_host_port", reason)
    if message.strip_any_host_port:
        return values.StripPort.ANY
    return values.StripPort.MATCHING if message.strip_matching_host_port else values.StripPort.NONE


# -- local replies -----------------------------------------------------------------------------------------------------


def _local_reply(message: HttpConnectionManager, at: FieldPath, context: CompileContext) -> values.LocalReplyConfig | None:
    if not message.HasField("local_reply_config"):
        return None
    config = message.local_reply_config
    mappers = []
    for index, mapper in enumerate(config.mappers):
        with context.problems.collect():
            mappers.append(_reply_mapper(mapper, at / "mappers" / index, context))
    body_format = None
    with context.problems.collect():
        body_format = _reply_format(config, "body_format", at)
    return values.LocalReplyConfig(tuple(mappers), body_format)


def _reply_mapper(message: ResponseMapper, at: FieldPath, context: CompileContext) -> values.ReplyMapper:
    return values.ReplyMapper(
        matches=compile_log_filter(message.filter, at / "filter", context),
        status_code=wrapped(message, "status_code", None),
        body=read_data_source(message.body, at / "body") if message.HasField("body") else None,
        body_format=_reply_format(message, "body_format_override", at),
        headers_to_add=compile_additions(message.headers_to_add, at / "headers_to_add", context),
    )


def _reply_format(message: Any, field: str, at: FieldPath) -> values.ReplyFormat | None:
    if not message.HasField(field):
        return None
    source = getattr(message, field)
    compiled = compile_format(source, at / field)
    default = "application/json" if isinstance(compiled, JsonFormat) else "text/plain"
    return values.ReplyFormat(compiled.render, (source.content_type or default).encode())
