"""Http2ProtocolOptions → semantics.h2_options.Http2Options, for connection managers and clusters alike.

Envoy: config.core.v3.{Http2ProtocolOptions, KeepaliveSettings}; Http2::Utility::initializeAndValidateOptions.
"""

from __future__ import annotations

from envoy.config.core.v3.protocol_pb2 import Http2ProtocolOptions, KeepaliveSettings

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.http2_settings import compile_custom_settings
from dataplane.compile.support import ignores, supports
from dataplane.compile.units import seconds_or, wrapped
from dataplane.semantics import h2_options as values

supports(
    Http2ProtocolOptions,
    "hpack_table_size",
    "max_concurrent_streams",
    "initial_stream_window_size",
    "initial_connection_window_size",
    "allow_connect",
    "max_outbound_control_frames",
    "max_consecutive_inbound_frames_with_empty_payload",
    "max_inbound_window_update_frames_per_data_frame_sent",
    "stream_error_on_invalid_http_messaging",
    "override_stream_error_on_invalid_http_message",
    "connection_keepalive",
)
ignores(
    Http2ProtocolOptions,
    "max_outbound_frames",
    because="frames are made when the socket takes them; what waits is limited in bytes, by stream",
)
ignores(
    Http2ProtocolOptions,
    "max_inbound_priority_frames_per_stream",
    because="PRIORITY frames are dropped by the protocol library and keep no state",
)
ignores(Http2ProtocolOptions, "use_oghttp2_codec", because="names one of Envoy's codecs")
supports(KeepaliveSettings, "interval", "timeout", "interval_jitter", "connection_idle_interval")

_DEFAULT = values.DEFAULT_HTTP2
_JITTER = 15.0


def compile_http2_options(message: Http2ProtocolOptions, at: FieldPath, stream_error: bool | None = None) -> values.Http2Options:
    """stream_error: what a connection manager says for all protocols; it yields to the message's own fields."""
    old = message.stream_error_on_invalid_http_messaging
    return values.Http2Options(
        hpack_table_size=wrapped(message, "hpack_table_size", _DEFAULT.hpack_table_size),
        max_concurrent_streams=wrapped(message, "max_concurrent_streams", _DEFAULT.max_concurrent_streams),
        initial_stream_window_size=wrapped(message, "initial_stream_window_size", _DEFAULT.initial_stream_window_size),
        initial_connection_window_size=wrapped(
            message, "initial_connection_window_size", _DEFAULT.initial_connection_window_size
        ),
        allow_connect=message.allow_connect,
        max_outbound_control_frames=wrapped(message, "max_outbound_control_frames", _DEFAULT.max_outbound_control_frames),
        max_consecutive_inbound_frames_with_empty_payload=wrapped(
            message,
            "max_consecutive_inbound_frames_with_empty_payload",
            _DEFAULT.max_consecutive_inbound_frames_with_empty_payload,
        ),
        max_inbound_window_update_frames_per_data_frame_sent=wrapped(
            message,
            "max_inbound_window_update_frames_per_data_frame_sent",
            _DEFAULT.max_inbound_window_update_frames_per_data_frame_sent,
        ),
        stream_error_on_invalid_message=wrapped(
            message, "override_stream_error_on_invalid_http_message", old if stream_error is None else stream_error
        ),
        keepalive=_keepalive(message, at / "connection_keepalive"),
        custom_settings=compile_custom_settings(message, at / "custom_settings_parameters"),
    )


def _keepalive(message: Http2ProtocolOptions, at: FieldPath) -> values.KeepaliveSettings:
    if not message.HasField("connection_keepalive"):
        return _DEFAULT.keepalive
    keepalive = message.connection_keepalive
    jitter = keepalive.interval_jitter.value if keepalive.HasField("interval_jitter") else _JITTER
    if not 0 <= jitter <= 100:
        raise ConfigError(at / "interval_jitter", f"Value {jitter} is no percentage")
    return values.KeepaliveSettings(
        interval=seconds_or(keepalive, "interval", 0.0, at),
        timeout=seconds_or(keepalive, "timeout", 0.0, at),
        jitter=jitter / 100,
        idle_interval=seconds_or(keepalive, "connection_idle_interval", 0.0, at),
    )
