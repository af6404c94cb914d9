"""Compiled `HttpConnectionManager`: what was configured for the HTTP streams of a filter chain.

Here: frozen values.  Not here: protobuf (extensions.filters.network.http_connection_manager), running streams (http.connection_manager).
`http.connection_manager.HttpConnectionManagerFactory(config)` is what a filter chain holds.
Times are seconds, 0 means "off"; sizes are bytes unless the name says otherwise.
Envoy: extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, config.core.v3.HttpProtocolOptions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Any

from dataplane.routing.trace_sampling import DEFAULT_REQUEST_ID, RequestIdOptions
from dataplane.semantics.h1_options import DEFAULT_HTTP1, Http1Options
from dataplane.semantics.h2_options import DEFAULT_HTTP2, Http2Options

if TYPE_CHECKING:
    from dataplane.api.access_logger import AccessLogger
    from dataplane.api.original_ip import IpDetector
    from dataplane.observe.formatter_context import FormatterContext
    from dataplane.routing.route import HeaderAddition, RouteConfiguration
    from dataplane.routing.scopes import ScopedRoutes
    from dataplane.routing.trace_sampling import TraceSampling


class CodecType(Enum):
    AUTO = 0
    HTTP1 = 1
    HTTP2 = 2
    HTTP3 = 3


class ServerHeaderTransformation(Enum):
    OVERWRITE = 0
    APPEND_IF_ABSENT = 1
    PASS_THROUGH = 2


class EscapedSlashesAction(Enum):
    """`path_with_escaped_slashes_action`; IMPLEMENTATION_SPECIFIC_DEFAULT compiles to KEEP_UNCHANGED."""

    KEEP_UNCHANGED = 1
    REJECT_REQUEST = 2
    UNESCAPE_AND_REDIRECT = 3
    UNESCAPE_AND_FORWARD = 4


class UnderscoresAction(Enum):
    """`headers_with_underscores_action`."""

    ALLOW = 0
    REJECT_REQUEST = 1
    DROP_HEADER = 2


class StripPort(Enum):
    """`strip_matching_host_port` and `strip_any_host_port`."""

    NONE = 0
    MATCHING = 1
    ANY = 2


class ForwardClientCert(Enum):
    """`forward_client_cert_details`."""

    SANITIZE = 0
    FORWARD_ONLY = 1
    APPEND_FORWARD = 2
    SANITIZE_SET = 3
    ALWAYS_FORWARD_ONLY = 4


class ClientCertDetail(Enum):
    """What `set_current_client_cert_details` adds.  The values are its fields."""

    SUBJECT = "subject"
    CERT = "cert"
    CHAIN = "chain"
    DNS = "dns"
    URI = "uri"


@dataclass(frozen=True, slots=True)
class HttpFilterEntry:
    """One of `http_filters`: api.http_filter.NamedFilter.  The last one's config is a api.http_filter.TerminalFilterFactory."""

    name: str
    config: Any
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class InternalAddresses:
    """`internal_address_config`: which peers count as internal.  None in the manager's config means no address does."""

    unix_sockets: bool = False
    cidr_ranges: tuple[IPv4Network | IPv6Network, ...] = ()


@dataclass(frozen=True, slots=True)
class UpgradeConfig:
    """One of `upgrade_configs`; upgrade_type is lower case."""

    upgrade_type: bytes
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class ReplyFormat:
    """A `SubstitutionFormatString` for bodies of local replies."""

    text: Callable[[FormatterContext], bytes]
    content_type: bytes = b"text/plain"


@dataclass(frozen=True, slots=True)
class ReplyMapper:
    """`ResponseMapper`: the first whose filter says yes changes the reply."""

    matches: Callable[[FormatterContext], bool]
    status_code: int | None = None
    body: bytes | None = None
    body_format: ReplyFormat | None = None
    headers_to_add: tuple[HeaderAddition, ...] = ()


@dataclass(frozen=True, slots=True)
class LocalReplyConfig:
    """`LocalReplyConfig`."""

    mappers: tuple[ReplyMapper, ...] = ()
    body_format: ReplyFormat | None = None


@dataclass(frozen=True, slots=True)
class AccessLogOptions:
    """`HcmAccessLogOptions`: when a stream is logged besides its end.  interval: seconds between two lines, 0 for none."""

    interval: float = 0.0
    on_new_request: bool = False
    on_tunnel: bool = False


@dataclass(frozen=True, slots=True)
class HttpConnectionManagerConfig:
    """`HttpConnectionManager`.  Exactly one of route_configuration, rds_name and scoped_routes is set."""

    stat_prefix: str
    route_configuration: RouteConfiguration | None = None
    rds_name: str = ""
    scoped_routes: ScopedRoutes | None = None
    http_filters: tuple[HttpFilterEntry, ...] = ()
    codec_type: CodecType = CodecType.AUTO
    access_log: tuple[AccessLogger, ...] = ()
    access_log_options: AccessLogOptions = AccessLogOptions()

    # limits
    max_request_headers_kb: int = 60
    max_headers_count: int = 100
    max_requests_per_connection: int = 0
    headers_with_underscores_action: UnderscoresAction = UnderscoresAction.ALLOW
    stream_error_on_invalid_http_message: bool = False
    http1: Http1Options = DEFAULT_HTTP1
    http2: Http2Options = DEFAULT_HTTP2
    upgrade_configs: tuple[UpgradeConfig, ...] = ()

    # times
    idle_timeout: float = 3600.0
    max_connection_duration: float = 0.0
    max_stream_duration: float = 0.0
    stream_idle_timeout: float = 300.0
    stream_flush_timeout: float | None = None  # None: stream_idle_timeout
    http1_safe_max_connection_duration: bool = False
    request_timeout: float = 0.0
    request_headers_timeout: float = 0.0
    drain_timeout: float = 5.0
    delayed_close_timeout: float = 1.0

    # who asks
    use_remote_address: bool = False
    xff_num_trusted_hops: int = 0
    skip_xff_append: bool = False
    ip_detectors: tuple[IpDetector, ...] = ()  # `original_ip_detection_extensions`
    append_x_forwarded_port: bool = False
    add_proxy_protocol_connection_state: bool = True
    internal_addresses: InternalAddresses | None = None
    forward_client_cert: ForwardClientCert = ForwardClientCert.SANITIZE
    client_cert_details: frozenset[ClientCertDetail] = frozenset()
    scheme_to_overwrite: bytes = b""

    # identification
    server_name: bytes = b"envoy"
    server_header_transformation: ServerHeaderTransformation = ServerHeaderTransformation.OVERWRITE
    via: bytes = b""
    add_user_agent: bool = False
    generate_request_id: bool = True
    preserve_external_request_id: bool = False
    always_set_request_id_in_response: bool = False
    request_id: RequestIdOptions = DEFAULT_REQUEST_ID

    # the request's form
    normalize_path: bool = False
    merge_slashes: bool = False
    path_with_escaped_slashes_action: EscapedSlashesAction = EscapedSlashesAction.KEEP_UNCHANGED
    strip_port: StripPort = StripPort.NONE
    strip_trailing_host_dot: bool = False
    proxy_100_continue: bool = False

    local_reply: LocalReplyConfig | None = None
    trace_sampling: TraceSampling | None = None  # `tracing`; None: no request is marked as traced
