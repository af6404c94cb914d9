from __future__ import annotations

from typing import Any

import pytest
from envoy.config.core.v3.protocol_pb2 import Http2ProtocolOptions
from google.protobuf import json_format

from dataplane.base.errors import FieldPath
from dataplane.compile.http2_options import compile_http2_options
from dataplane.semantics.h2_options import DEFAULT_HTTP2, Http2Options, KeepaliveSettings

AT = FieldPath() / "http2_protocol_options"


def compiled(stream_error: bool | None = None, **fields: Any) -> Http2Options:
    return compile_http2_options(json_format.ParseDict(fields, Http2ProtocolOptions()), AT, stream_error)


def test_defaults_are_those_of_envoy_1_40() -> None:
    options = compiled()
    assert options == DEFAULT_HTTP2
    assert (options.max_concurrent_streams, options.hpack_table_size) == (1024, 4096)
    assert (options.initial_stream_window_size, options.initial_connection_window_size) == (16 << 20, 24 << 20)


def test_every_field() -> None:
    assert compiled(
        hpack_table_size=0,
        max_concurrent_streams=1,
        initial_stream_window_size=65535,
        initial_connection_window_size=65536,
        allow_connect=True,
        max_outbound_control_frames=2,
        max_consecutive_inbound_frames_with_empty_payload=3,
        max_inbound_window_update_frames_per_data_frame_sent=4,
        connection_keepalive={
            "interval": "5s",
            "timeout": "6s",
            "interval_jitter": {"value": 50},
            "connection_idle_interval": "7s",
        },
    ) == Http2Options(
        hpack_table_size=0,
        max_concurrent_streams=1,
        initial_stream_window_size=65535,
        initial_connection_window_size=65536,
        allow_connect=True,
        max_outbound_control_frames=2,
        max_consecutive_inbound_frames_with_empty_payload=3,
        max_inbound_window_update_frames_per_data_frame_sent=4,
        keepalive=KeepaliveSettings(5.0, 6.0, 0.5, 7.0),
    )


@pytest.mark.parametrize(
    ("manager", "own", "expected"),
    [
        (False, {}, False),
        (True, {}, True),
        (True, {"override_stream_error_on_invalid_http_message": False}, False),
        (False, {"override_stream_error_on_invalid_http_message": True}, True),
        (None, {"stream_error_on_invalid_http_messaging": True}, True),
    ],
)
def test_what_a_broken_message_costs(manager: bool | None, own: dict[str, Any], expected: bool) -> None:
    assert compiled(manager, **own).stream_error_on_invalid_message is expected
