from __future__ import annotations

from typing import Any

import pytest
from envoy.config.core.v3.protocol_pb2 import Http1ProtocolOptions
from envoy.extensions.filters.http.router.v3.router_pb2 import Router
from envoy.extensions.http.header_formatters.preserve_case.v3.preserve_case_pb2 import PreserveCaseFormatterConfig
from google.protobuf import json_format

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.http1_options import compile_http1_options
from dataplane.semantics.h1_options import DEFAULT_HTTP1, Http1Options
from dataplane.semantics.header_case import PreserveCase

AT = FieldPath() / "http_protocol_options"
FORMATTER = f"type.googleapis.com/{PreserveCaseFormatterConfig.DESCRIPTOR.full_name}"


def compiled(stream_error: bool = False, **fields: Any) -> Http1Options:
    return compile_http1_options(json_format.ParseDict(fields, Http1ProtocolOptions()), AT, CompileContext(), stream_error)


def with_formatter(**fields: Any) -> Http1Options:
    formatter = {"name": "preserve_case", "typed_config": {"@type": FORMATTER, **fields}}
    return compiled(header_key_format={"stateful_formatter": formatter})


def test_defaults() -> None:
    assert compiled() == DEFAULT_HTTP1


def test_every_field() -> None:
    options = compiled(
        allow_absolute_url=False,
        accept_http_10=True,
        default_host_for_http_10="d",
        header_key_format={"proper_case_words": {}},
        enable_trailers=True,
        allow_chunked_length=True,
        send_fully_qualified_url=True,
        allow_custom_methods=True,
    )
    assert options == Http1Options(
        allow_absolute_url=False,
        accept_http_10=True,
        default_host_for_http_10=b"d",
        proper_case_headers=True,
        enable_trailers=True,
        allow_chunked_length=True,
        send_fully_qualified_url=True,
        allow_custom_methods=True,
    )


def test_the_own_word_about_stream_errors_counts_before_the_managers() -> None:
    assert compiled(stream_error=True).stream_error_on_invalid_http_message
    assert not compiled(
        stream_error=True, override_stream_error_on_invalid_http_message=False
    ).stream_error_on_invalid_http_message


def test_the_stateful_formatter() -> None:
    assert with_formatter().preserve_case == PreserveCase()
    told = with_formatter(forward_reason_phrase=True, formatter_type_on_envoy_headers="PROPER_CASE")
    assert told.preserve_case == PreserveCase(forward_reason_phrase=True, others_proper=True)


def test_another_formatter_is_refused() -> None:
    router = {"@type": f"type.googleapis.com/{Router.DESCRIPTOR.full_name}"}
    with pytest.raises(ConfigError, match=r"stateful_formatter\.typed_config: didn't find a registered implementation"):
        compiled(header_key_format={"stateful_formatter": {"name": "f", "typed_config": router}})


def test_upgrades_that_are_ignored() -> None:
    ignores = compiled(ignore_http_11_upgrade=[{"exact": "foo"}, {"prefix": "WEB", "ignore_case": True}]).ignores_upgrade
    assert ignores is not None
    assert [ignores(each) for each in (b"foo", b"Foo", b"websocket/13", b"bar")] == [True, False, True, False]
