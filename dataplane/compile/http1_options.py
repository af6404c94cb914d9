"""Http1ProtocolOptions → semantics.h1_options.Http1Options, for connection managers and clusters alike.

Envoy: config.core.v3.Http1ProtocolOptions; Http1::parseHttp1Settings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from envoy.config.core.v3.protocol_pb2 import Http1ProtocolOptions

from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.fields import find_extension
from dataplane.compile.matcher import compile_string_matcher
from dataplane.compile.support import ignores, supports
from dataplane.compile.units import wrapped
from dataplane.semantics.h1_options import Http1Options
from dataplane.semantics.header_case import PreserveCase

supports(
    Http1ProtocolOptions,
    "allow_absolute_url",
    "accept_http_10",
    "default_host_for_http_10",
    "header_key_format",
    "enable_trailers",
    "allow_chunked_length",
    "override_stream_error_on_invalid_http_message",
    "send_fully_qualified_url",
    "allow_custom_methods",
    "ignore_http_11_upgrade",
)
supports(Http1ProtocolOptions.HeaderKeyFormat, "proper_case_words", "stateful_formatter")
supports(Http1ProtocolOptions.HeaderKeyFormat.ProperCaseWords)
ignores(Http1ProtocolOptions, "use_balsa_parser", because="names one of Envoy's parsers")

FORMATTER_KIND: Final = "envoy.http.stateful_header_formatters"


def compile_http1_options(
    message: Http1ProtocolOptions, at: FieldPath, context: CompileContext, stream_error: bool = False
) -> Http1Options:
    """stream_error: what a connection manager says for all protocols; it yields to the message's own field."""
    return Http1Options(
        allow_absolute_url=wrapped(message, "allow_absolute_url", True),
        accept_http_10=message.accept_http_10,
        default_host_for_http_10=message.default_host_for_http_10.encode(),
        proper_case_headers=message.header_key_format.HasField("proper_case_words"),
        preserve_case=_formatter(message, at / "header_key_format" / "stateful_formatter", context),
        enable_trailers=message.enable_trailers,
        allow_chunked_length=message.allow_chunked_length,
        stream_error_on_invalid_http_message=wrapped(message, "override_stream_error_on_invalid_http_message", stream_error),
        send_fully_qualified_url=message.send_fully_qualified_url,
        allow_custom_methods=message.allow_custom_methods,
        ignores_upgrade=_ignored_upgrades(message, at / "ignore_http_11_upgrade"),
    )


def _formatter(message: Http1ProtocolOptions, at: FieldPath, context: CompileContext) -> PreserveCase | None:
    if not message.header_key_format.HasField("stateful_formatter"):
        return None
    formatter = message.header_key_format.stateful_formatter
    compile_config, config = find_extension(FORMATTER_KIND, formatter.typed_config, formatter.name, at / "typed_config")
    return cast("PreserveCase", compile_config(config, at / "typed_config", context))


def _ignored_upgrades(message: Http1ProtocolOptions, at: FieldPath) -> Callable[[bytes], bool] | None:
    if not message.ignore_http_11_upgrade:
        return None
    matchers = [compile_string_matcher(each, at / index) for index, each in enumerate(message.ignore_http_11_upgrade)]
    return lambda value: any(matches(value) for matches in matchers)
