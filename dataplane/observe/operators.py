"""The command operators of format strings: `%NAME(argument):length%`.

Here: one small function per operator, each from the two header maps and the stream's facts to a value; None means there is none.
Strings are wire strings (latin-1).  Not here: syntax and rendering (observe.format).
Envoy: configuration/advanced/substitution_formatter, "Command Operators".
"""

from __future__ import annotations

import ipaddress
import os
import socket
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dataplane.base.address import Address, SocketAddress
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.observe import flags, metadata_operators, text_pieces, tls_operators
from dataplane.observe.operator_kinds import Fact, OfAll, OfHeader, OfInfo, Operator, Value, wire
from dataplane.observe.timestamps import TimeFormat, compile_time_format, iso_milliseconds

if TYPE_CHECKING:
    from dataplane.observe.formatter_context import FormatterContext
    from dataplane.observe.stream_info import StreamInfo

_Builder = Callable[[str, "int | None", FieldPath], Operator]


def compile_operator(name: str, argument: str | None, length: int | None, at: FieldPath) -> Operator:
    """Find an operator and bind its argument; ConfigError where there is no such operator or its argument is wrong."""
    fact = _FACTS.get(name)
    if fact is not None:
        if argument:
            raise ConfigError(at, f"{name} does not take any parameters or a length limit: {argument!r}")
        return OfInfo(fact, _PIECES.get(name))
    builder = _BUILDERS.get(name)
    if builder is None:
        raise ConfigError(at, f"Not supported field in StreamInfo: {name}")
    return builder(argument or "", length, at)


def _named(attribute: str) -> Fact:
    """A fact that is a string of the stream info; empty means missing."""

    def read(info: StreamInfo) -> Value:
        text: str = getattr(info, attribute)
        return wire(text) if text else None

    return read


def _without_spaces(attribute: str) -> Fact:
    """As `_named`, one word whatever it says."""
    return lambda info: wire(getattr(info, attribute)).replace(" ", "_") or None


def _milliseconds(begin: str, end: str) -> Fact:
    """The time between two points of the stream in whole milliseconds; None while one of them is unknown."""

    def read(info: StreamInfo) -> Value:
        first: float = getattr(info, begin)
        last: float = getattr(info, end)
        return int((last - first) * 1000) if first and last else None

    return read


# -- addresses ---------------------------------------------------------------------------------------------------------


def _address(attribute: str) -> Fact:
    def read(info: StreamInfo) -> Value:
        address: Address | None = getattr(info, attribute)
        return None if address is None else address.text

    return read


def _port(attribute: str) -> Fact:
    def read(info: StreamInfo) -> Value:
        address: Address | None = getattr(info, attribute)
        return address.port if isinstance(address, SocketAddress) else None

    return read


def _without_port(attribute: str) -> _Builder:
    """The address alone, or with `(bits)` its network in CIDR notation."""

    def build(argument: str, length: int | None, at: FieldPath) -> Operator:
        if argument and not argument.isdigit():
            raise ConfigError(at, f"the prefix length must be a number: {argument!r}")

        def read(info: StreamInfo) -> Value:
            address: Address | None = getattr(info, attribute)
            if address is None:
                return None
            if not isinstance(address, SocketAddress):
                return str(address)
            if argument:
                return str(ipaddress.ip_network(f"{address.host}/{argument}", strict=False))
            return address.host

        return OfInfo(read)

    return build


# -- headers -----------------------------------------------------------------------------------------------------------


def _header_names(argument: str, at: FieldPath) -> tuple[bytes, bytes | None]:
    main, separator, alternative = argument.partition("?")
    if not main or "?" in alternative:
        raise ConfigError(
            at, f"More than 1 alternative header specified in token: {argument}" if main else "a header name is missing"
        )
    if any(character in argument for character in "\r\n\0"):
        raise ConfigError(at, "Invalid header name")
    return main.lower().encode(), alternative.lower().encode() if separator and alternative else None


def _header(side: str) -> _Builder:
    def build(argument: str, length: int | None, at: FieldPath) -> Operator:
        main, alternative = _header_names(argument, at)
        return OfHeader(side, main, alternative, length)

    return build


# -- path and query ----------------------------------------------------------------------------------------------------


def _path(argument: str, length: int | None, at: FieldPath) -> Operator:
    query_option, _, source = argument.partition(":")
    if query_option not in ("", "WQ", "NQ"):
        raise ConfigError(at, f"Invalid PATH option: '{query_option}', only 'WQ'/'NQ' are allowed")
    if source not in ("", "ORIG", "PATH", "ORIG_OR_PATH"):
        raise ConfigError(at, f"Invalid PATH option: '{source}', only 'ORIG'/'PATH'/'ORIG_OR_PATH' are allowed")
    keep_query = query_option != "NQ"

    def read(context: FormatterContext) -> Value:
        request = context.request
        if request is None:
            return None
        path = request.path
        if source != "PATH":
            original = request.get(b"x-envoy-original-path")
            if original is None and source == "ORIG":
                return None
            path = path if original is None else original
        return (path if keep_query else path.partition(b"?")[0])[:length].decode("latin-1")

    return OfAll(read)


def _query_parameter(argument: str, length: int | None, at: FieldPath) -> Operator:
    if not argument:
        raise ConfigError(at, "QUERY_PARAM needs the name of a parameter")
    name = argument.encode()

    def read(context: FormatterContext) -> Value:
        request = context.request
        if request is None:
            return None
        for pair in request.path.partition(b"?")[2].partition(b"#")[0].split(b"&"):
            key, _, value = pair.partition(b"=")
            if key == name:
                return value[:length].decode("latin-1")
        return None

    return OfAll(read)


# -- results -----------------------------------------------------------------------------------------------------------


def _details(argument: str, length: int | None, at: FieldPath) -> Operator:
    if argument not in ("", "ALLOW_WHITESPACES"):
        raise ConfigError(at, "RESPONSE_CODE_DETAILS only accepts ALLOW_WHITESPACES as a parameter")
    keep = bool(argument)

    def read(info: StreamInfo) -> Value:
        text = info.response_code_details
        return (text if keep else "_".join(text.split())) or None

    return OfInfo(read)


_GRPC_NAMES: Final = (
    "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists", "PermissionDenied",
    "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable", "DataLoss",
    "Unauthenticated",
)  # fmt: skip
_GRPC_OF_HTTP: Final = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}


def _grpc_status(argument: str, length: int | None, at: FieldPath) -> Operator:
    if argument not in ("", "CAMEL_STRING", "SNAKE_STRING", "NUMBER"):
        raise ConfigError(at, f"GRPC_STATUS only supports CAMEL_STRING, SNAKE_STRING or NUMBER, not {argument!r}")

    def read(context: FormatterContext) -> Value:
        number = _grpc_number(context)
        if number is None or argument == "NUMBER":
            return number
        if not 0 <= number < len(_GRPC_NAMES):
            return str(number)
        name = _GRPC_NAMES[number]
        if argument != "SNAKE_STRING":
            return name
        return name if number == 0 else "".join(f"_{c}" if c.isupper() and i else c for i, c in enumerate(name)).upper()

    return OfAll(read)


def _grpc_number(context: FormatterContext) -> int | None:
    """The status of a gRPC request: from trailers, headers, or what the HTTP status stands for.  None for other requests."""
    request, code = context.request, context.info.response_code
    if request is None or not (request.get(b"content-type") or b"").startswith(b"application/grpc"):
        return None
    for headers in (context.trailers, context.response):
        value = None if headers is None else headers.get(b"grpc-status")
        if value is not None:
            return int(value) if value.isdigit() else -1
    return _GRPC_OF_HTTP.get(code, 2) if code else None


# -- time --------------------------------------------------------------------------------------------------------------


def _start_time(local: bool) -> _Builder:
    def build(argument: str, length: int | None, at: FieldPath) -> Operator:
        render: TimeFormat = compile_time_format(argument, local=local) if argument or local else iso_milliseconds
        if local and not argument:
            render = compile_time_format("%Y-%m-%dT%H:%M:%S.%3f%z", local=True)
        piece = text_pieces.StartTime if render is iso_milliseconds else None
        return OfInfo(lambda info: render(info.start_wall), piece)

    return build


def _emit_time(local: bool) -> _Builder:
    def build(argument: str, length: int | None, at: FieldPath) -> Operator:
        render = compile_time_format(argument or "%Y-%m-%dT%H:%M:%S.%3fZ", local=local)
        return OfInfo(lambda info: render(info.start_wall + max(0.0, info.end_at - info.start_at)))

    return build


_POINTS: Final = {
    "DS_RX_BEG": "start_at",
    "DS_RX_END": "request_end_at",
    "US_TX_BEG": "upstream_begin_at",
    "US_TX_END": "upstream_request_end_at",
    "US_RX_BEG": "response_begin_at",
    "US_RX_END": "upstream_response_end_at",
    "DS_TX_BEG": "response_first_sent_at",
    "DS_TX_END": "end_at",
}
_PRECISION: Final = {"ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def _common_duration(argument: str, length: int | None, at: FieldPath) -> Operator:
    begin, _, rest = argument.partition(":")
    end, _, precision = rest.partition(":")
    if not begin or not end:
        raise ConfigError(at, f"Invalid common duration configuration: {argument}.")
    scale = _PRECISION.get(precision or "ms")
    if scale is None:
        raise ConfigError(at, f"Invalid common duration precision: {precision}.")
    for point in (begin, end):
        if point not in _POINTS:
            raise ConfigError(at, f"COMMON_DURATION: the time point {point} is not supported")
    first, last = _POINTS[begin], _POINTS[end]

    def read(info: StreamInfo) -> Value:
        start: float = getattr(info, first)
        stop: float = getattr(info, last)
        return int((stop - start) * scale) if start and stop >= start else None

    return OfInfo(read)


# -- the process -------------------------------------------------------------------------------------------------------


def _environment(argument: str, length: int | None, at: FieldPath) -> Operator:
    if not argument:
        raise ConfigError(at, "ENVIRONMENT needs the name of a variable")
    value = os.environ.get(argument)
    text = None if value is None else wire(value)[:length]
    return OfInfo(lambda info: text)


def _metadata(compile_reader: Callable[[str, FieldPath], metadata_operators.Reader]) -> _Builder:
    def build(argument: str, length: int | None, at: FieldPath) -> Operator:
        read = compile_reader(argument, at)

        def fact(info: StreamInfo) -> Value:
            value = metadata_operators.as_text(read(info))
            return wire(value)[:length] if isinstance(value, str) else value

        return OfInfo(fact, whole=read)

    return build


_HOSTNAME: Final = socket.gethostname()

_FACTS: Final[dict[str, Fact]] = {
    **tls_operators.FACTS,
    "REQUEST_DURATION": _milliseconds("start_at", "request_end_at"),
    "REQUEST_TX_DURATION": _milliseconds("start_at", "upstream_request_end_at"),
    "RESPONSE_DURATION": _milliseconds("start_at", "response_begin_at"),
    "RESPONSE_TX_DURATION": _milliseconds("response_begin_at", "end_at"),
    "DURATION": lambda info: int((info.end_at - info.start_at) * 1000) if info.end_at else None,
    "BYTES_RECEIVED": lambda info: info.bytes_received,
    "BYTES_SENT": lambda info: info.bytes_sent,
    "REQUEST_HEADERS_BYTES": lambda info: info.request_headers_bytes,
    "RESPONSE_HEADERS_BYTES": lambda info: info.response_headers_bytes,
    "PROTOCOL": lambda info: info.protocol or None,
    "UPSTREAM_PROTOCOL": lambda info: info.upstream_protocol or None,
    "RESPONSE_CODE": lambda info: info.response_code,
    "RESPONSE_FLAGS": lambda info: flags.short(info.response_flags),
    "RESPONSE_FLAGS_LONG": lambda info: flags.long(info.response_flags),
    "CONNECTION_TERMINATION_DETAILS": _named("connection_termination_details"),
    "DOWNSTREAM_LOCAL_CLOSE_REASON": _named("local_close_reason"),
    "UPSTREAM_LOCAL_CLOSE_REASON": _named("upstream_local_close_reason"),
    "ACCESS_LOG_TYPE": lambda info: info.access_log_type or "NotSet",
    "LOCAL_REPLY_BODY": lambda info: info.local_reply_body.decode("latin-1") or None,
    "UPSTREAM_REQUEST_ATTEMPT_COUNT": lambda info: info.attempts,
    "ROUTE_NAME": _named("route_name"),
    "VIRTUAL_CLUSTER_NAME": _named("virtual_cluster_name"),
    "UPSTREAM_CLUSTER": _named("upstream_cluster_stat_name"),
    "UPSTREAM_CLUSTER_RAW": _named("upstream_cluster"),
    "FILTER_CHAIN_NAME": _named("filter_chain_name"),
    "UPSTREAM_HOST": _address("upstream_host"),
    "UPSTREAM_HOST_NAME": _named("upstream_host_name"),
    "UPSTREAM_REMOTE_ADDRESS": _address("upstream_host"),
    "UPSTREAM_REMOTE_PORT": _port("upstream_host"),
    "UPSTREAM_LOCAL_ADDRESS": _address("upstream_local_address"),
    "UPSTREAM_LOCAL_PORT": _port("upstream_local_address"),
    "UPSTREAM_CONNECTION_ID": lambda info: info.upstream_connection_id or None,
    "UPSTREAM_TRANSPORT_FAILURE_REASON": _without_spaces("upstream_transport_failure_reason"),
    "UPSTREAM_HOSTS_ATTEMPTED": lambda info: ",".join(info.upstream_hosts_attempted) or None,
    "DOWNSTREAM_REMOTE_ADDRESS": _address("downstream_remote_address"),
    "DOWNSTREAM_REMOTE_PORT": _port("downstream_remote_address"),
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS": _address("downstream_direct_remote_address"),
    "DOWNSTREAM_DIRECT_REMOTE_PORT": _port("downstream_direct_remote_address"),
    "DOWNSTREAM_LOCAL_ADDRESS": _address("downstream_local_address"),
    "DOWNSTREAM_LOCAL_PORT": _port("downstream_local_address"),
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS": _address("downstream_local_address"),
    "DOWNSTREAM_DIRECT_LOCAL_PORT": _port("downstream_local_address"),
    "DOWNSTREAM_TRANSPORT_FAILURE_REASON": _without_spaces("downstream_transport_failure_reason"),
    "CONNECTION_ID": lambda info: info.connection_id,
    "STREAM_ID": lambda info: info.stream_id or None,
    "REQUESTED_SERVER_NAME": _named("requested_server_name"),
    "TLS_JA3_FINGERPRINT": lambda info: info.of_connection.ja3_fingerprint or None,
    "TLS_JA4_FINGERPRINT": lambda info: info.of_connection.ja4_fingerprint or None,
    "HOSTNAME": lambda info: wire(_HOSTNAME),
    "UNIQUE_ID": lambda info: str(uuid.uuid4()),
}


# Of the default format.
_PIECES: Final[dict[str, type[text_pieces.Piece]]] = {
    "DURATION": text_pieces.Duration,
    "BYTES_RECEIVED": text_pieces.BytesReceived,
    "BYTES_SENT": text_pieces.BytesSent,
    "PROTOCOL": text_pieces.HttpVersion,
    "RESPONSE_CODE": text_pieces.ResponseCode,
    "RESPONSE_FLAGS": text_pieces.ResponseFlags,
    "UPSTREAM_HOST": text_pieces.UpstreamHost,
}


def _certificate_time(of: tls_operators.TimeFact) -> _Builder:
    return lambda argument, length, at: OfInfo(of(argument, at))


_BUILDERS: Final[dict[str, _Builder]] = {
    **{name: _certificate_time(of) for name, of in tls_operators.TIMES.items()},
    "START_TIME": _start_time(local=False),
    "START_TIME_LOCAL": _start_time(local=True),
    "EMIT_TIME": _emit_time(local=False),
    "EMIT_TIME_LOCAL": _emit_time(local=True),
    "COMMON_DURATION": _common_duration,
    "REQ": _header("request"),
    "REQUEST_HEADER": _header("request"),
    "RESP": _header("response"),
    "RESPONSE_HEADER": _header("response"),
    "TRAILER": _header("trailers"),
    "RESPONSE_TRAILER": _header("trailers"),
    "PATH": _path,
    "QUERY_PARAM": _query_parameter,
    "RESPONSE_CODE_DETAILS": _details,
    "GRPC_STATUS": _grpc_status,
    "GRPC_STATUS_NUMBER": lambda argument, length, at: _grpc_status("NUMBER", length, at),
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": _without_port("downstream_remote_address"),
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT": _without_port("downstream_direct_remote_address"),
    "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT": _without_port("downstream_local_address"),
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT": _without_port("downstream_local_address"),
    "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": _without_port("upstream_host"),
    "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT": _without_port("upstream_local_address"),
    "ENVIRONMENT": _environment,
    **{name: _metadata(reader) for name, reader in metadata_operators.READERS.items()},
}


def names() -> tuple[str, ...]:
    """All operators, for the support matrix."""
    return tuple(sorted({*_FACTS, *_BUILDERS}))
