"""HttpConnectionManager → its compiled configuration.  Defaults and errors are Envoy 1.40's."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.extensions.filters.network.http_connection_manager import compile_manager
from dataplane.http import config as values
from dataplane.observe.formatter_context import FormatterContext
from dataplane.observe.stream_info import StreamInfo
from dataplane.router.router import RouterFactory
from dataplane.semantics.h1_options import Http1Options
from dataplane.semantics.header_map import RequestHeaders
from dataplane.snapshot.config_source import ADS
from tests.support.compiling import message

AT = FieldPath("Manager")
MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = {"name": "router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}


def manager(context: CompileContext | None = None, **fields: Any) -> values.HttpConnectionManagerConfig:
    """The compiled manager; its errors are raised unless a context takes them."""
    content = {"stat_prefix": "p", "http_filters": [ROUTER], **fields}
    if "rds" not in content:
        content.setdefault("route_config", {"name": "r"})
    used = context or CompileContext()
    made = compile_manager(message(MANAGER, content), AT, used)
    if context is None:
        used.problems.raise_if_any()
    return made


def problems(**fields: Any) -> list[str]:
    context = CompileContext()
    with context.problems.collect():
        manager(context, **fields)
    return [str(error) for error in context.problems.errors]


def test_what_is_not_said_has_the_defaults_of_the_engine() -> None:
    made = manager()
    defaults = values.HttpConnectionManagerConfig("p", made.route_configuration, http_filters=made.http_filters)
    assert made == defaults
    (entry,) = made.http_filters
    assert (entry.name, entry.disabled) == ("router", False)
    assert isinstance(entry.config, RouterFactory)


def test_limits_and_times() -> None:
    made = manager(
        max_request_headers_kb=10,
        common_http_protocol_options={
            "idle_timeout": "0s",
            "max_connection_duration": "5s",
            "max_stream_duration": "6s",
            "max_headers_count": 7,
            "max_requests_per_connection": 8,
            "headers_with_underscores_action": "DROP_HEADER",
        },
        stream_idle_timeout="1s",
        stream_flush_timeout="7s",
        http1_safe_max_connection_duration=True,
        request_timeout="2s",
        request_headers_timeout="3s",
        drain_timeout="4s",
        delayed_close_timeout="0s",
    )
    assert (made.max_request_headers_kb, made.max_headers_count, made.max_requests_per_connection) == (10, 7, 8)
    assert made.headers_with_underscores_action is values.UnderscoresAction.DROP_HEADER
    assert (made.idle_timeout, made.max_connection_duration, made.max_stream_duration) == (0, 5, 6)
    assert (made.stream_idle_timeout, made.request_timeout, made.request_headers_timeout) == (1, 2, 3)
    assert (made.drain_timeout, made.delayed_close_timeout, made.stream_flush_timeout) == (4, 0, 7)
    assert made.http1_safe_max_connection_duration


def test_http_1_options() -> None:
    made = manager(
        http_protocol_options={
            "accept_http_10": True,
            "default_host_for_http_10": "d",
            "header_key_format": {"proper_case_words": {}},
            "enable_trailers": True,
            "allow_chunked_length": True,
        },
        stream_error_on_invalid_http_message=True,
    )
    assert made.http1 == Http1Options(
        accept_http_10=True,
        default_host_for_http_10=b"d",
        proper_case_headers=True,
        enable_trailers=True,
        allow_chunked_length=True,
        stream_error_on_invalid_http_message=True,
    )
    overridden = manager(
        http_protocol_options={"override_stream_error_on_invalid_http_message": False}, stream_error_on_invalid_http_message=True
    )
    assert not overridden.http1.stream_error_on_invalid_http_message


def test_who_asks_and_who_answers() -> None:
    made = manager(
        use_remote_address=True,
        xff_num_trusted_hops=2,
        skip_xff_append=True,
        append_x_forwarded_port=True,
        internal_address_config={"unix_sockets": True, "cidr_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]},
        scheme_header_transformation={"scheme_to_overwrite": "https"},
        server_name="s",
        server_header_transformation="PASS_THROUGH",
        via="v",
        add_user_agent=True,
        generate_request_id=False,
        preserve_external_request_id=True,
        always_set_request_id_in_response=True,
    )
    assert (made.use_remote_address, made.xff_num_trusted_hops, made.skip_xff_append) == (True, 2, True)
    assert made.internal_addresses == values.InternalAddresses(True, (ip_network("10.0.0.0/8"),))  # type: ignore[arg-type]  # of either family
    assert (made.append_x_forwarded_port, made.scheme_to_overwrite) == (True, b"https")
    assert (made.server_name, made.via, made.add_user_agent) == (b"s", b"v", True)
    assert made.server_header_transformation is values.ServerHeaderTransformation.PASS_THROUGH
    assert (made.generate_request_id, made.preserve_external_request_id) == (False, True)
    assert made.always_set_request_id_in_response


def test_the_form_of_requests() -> None:
    made = manager(
        normalize_path=True,
        merge_slashes=True,
        path_with_escaped_slashes_action="UNESCAPE_AND_FORWARD",
        strip_any_host_port=True,
        strip_trailing_host_dot=True,
        proxy_100_continue=True,
    )
    assert (made.normalize_path, made.merge_slashes, made.strip_trailing_host_dot, made.proxy_100_continue) == (True,) * 4
    assert made.path_with_escaped_slashes_action is values.EscapedSlashesAction.UNESCAPE_AND_FORWARD
    assert made.strip_port is values.StripPort.ANY
    assert manager(strip_matching_host_port=True).strip_port is values.StripPort.MATCHING


def test_routes_from_rds() -> None:
    context = CompileContext()
    made = manager(context, rds={"route_config_name": "r", "config_source": {"ads": {}}})
    assert (made.rds_name, made.route_configuration) == ("r", None)
    (source,) = context.rds_sources
    assert (source.route_config_name, source.source.specifier, source.stat_prefix) == ("r", ADS, "p")


def test_inline_routes_validate_their_clusters() -> None:
    made = manager(
        route_config={
            "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "c"}}]}]
        }
    )
    assert made.route_configuration is not None
    assert made.route_configuration.validate_clusters
    told = manager(route_config={"validate_clusters": False}).route_configuration
    assert told is not None
    assert not told.validate_clusters


def test_an_empty_list_of_filters_takes_requests_and_never_answers() -> None:
    (entry,) = manager(http_filters=[]).http_filters
    stream: Any = entry.config.bind(None, None).new_stream(None)  # type: ignore[attr-defined]  # a terminal filter
    assert stream.decode_headers(RequestHeaders(b"GET", b"/", b"h"), True) is None
    assert stream.on_destroy() is None


def test_an_optional_filter_that_is_unknown_is_left_out() -> None:
    unknown = {
        "name": "x",
        "is_optional": True,
        "typed_config": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"},
    }
    assert [entry.name for entry in manager(http_filters=[unknown, ROUTER]).http_filters] == ["router"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (
            [ROUTER, ROUTER],
            "http_filters[0]: Error: terminal filter named router of type envoy.filters.http.router must be the last filter in a "
            "http filter chain.",
        ),
        (
            [{**ROUTER, "disabled": True}],
            "http_filters[0].disabled: Error: the last (terminal) filter (router) in the chain cannot be disabled by default.",
        ),
        (
            [{"name": "envoy.filters.http.router"}],
            "http_filters[0].typed_config: didn't find a registered implementation of envoy.filters.http for "
            "'envoy.filters.http.router' with type URL: ''",
        ),
    ],
)
def test_bad_filter_lists(filters: list[dict[str, Any]], expected: str) -> None:
    assert problems(http_filters=filters) == [f"Manager.{expected}"]


def test_both_ways_to_strip_a_port() -> None:
    assert problems(strip_matching_host_port=True, strip_any_host_port=True) == [
        "Manager.strip_any_host_port: Error: Only one of `strip_matching_host_port` or `strip_any_host_port` can be set."
    ]


@pytest.mark.parametrize(
    ("field", "number"), [("codec_type", 9), ("server_header_transformation", 9), ("path_with_escaped_slashes_action", 9)]
)
def test_numbers_without_a_name(field: str, number: int) -> None:
    made = message(MANAGER, {"stat_prefix": "p", "route_config": {}})
    setattr(made, field, number)
    with pytest.raises(ConfigError, match="undefined value 9"):
        compile_manager(made, AT, CompileContext())


def test_local_replies() -> None:
    errors_only = {"status_code_filter": {"comparison": {"op": "GE", "value": {"default_value": 500, "runtime_key": "k"}}}}
    made = manager(
        local_reply_config={
            "mappers": [
                {
                    "filter": errors_only,
                    "status_code": 599,
                    "body": {"inline_string": "sorry"},
                    "body_format_override": {"json_format": {"m": "%LOCAL_REPLY_BODY%"}},
                    "headers_to_add": [{"header": {"key": "X", "value": "1"}}],
                }
            ],
            "body_format": {"text_format": "%RESPONSE_CODE%", "content_type": "text/x"},
        }
    ).local_reply
    assert made is not None
    (mapper,) = made.mappers
    assert (mapper.status_code, mapper.body, [each.name for each in mapper.headers_to_add]) == (599, b"sorry", [b"x"])
    info = StreamInfo()
    info.response_code, info.local_reply_body = 503, b"b"
    assert mapper.matches(FormatterContext(info))
    context = FormatterContext(info, RequestHeaders(b"GET", b"/", b"h"))
    assert mapper.body_format is not None
    assert (mapper.body_format.text(context), mapper.body_format.content_type) == (
        b'{"m":"b"}\n',
        b"application/json",
    )
    assert made.body_format is not None
    assert (made.body_format.text(context), made.body_format.content_type) == (b"503", b"text/x")


def test_errors_of_parts_come_together() -> None:
    found = problems(
        access_log=[{"name": "x"}],
        http_filters=[{"name": "y"}],
        internal_address_config={"cidr_ranges": [{"address_prefix": "z"}]},
        local_reply_config={"mappers": [{"filter": {}}], "body_format": {}},
        route_config={"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*", "*"]}]},
    )
    assert len(found) == 6
