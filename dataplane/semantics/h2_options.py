"""What both sides of an HTTP/2 connection can be told: windows, streams, tables, limits against floods.

Not here: protobuf (compile.http2_options), the protocol itself (h2_session).
Defaults are those that Envoy 1.40 sends and keeps.  Envoy: config.core.v3.Http2ProtocolOptions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class KeepaliveSettings:
    """PINGs that find dead connections.  Times in seconds, 0: none; jitter: fraction 0..1 of the interval.

    idle_interval: send a PING when a connection was idle for so long and is used again.
    """

    interval: float = 0.0
    timeout: float = 0.0
    jitter: float = 0.15
    idle_interval: float = 0.0


@dataclass(frozen=True, slots=True)
class Http2Options:
    """`Http2ProtocolOptions`.  Sizes in bytes.

    stream_error_on_invalid_message: a message that breaks the rules costs its stream and not the whole connection.
    stream_reset_burst, stream_reset_rate: how many resets a peer may send at once, and per second in the long run.
    """

    hpack_table_size: int = 4096
    max_concurrent_streams: int = 1024
    initial_stream_window_size: int = 16 << 20
    initial_connection_window_size: int = 24 << 20
    allow_connect: bool = False
    max_outbound_control_frames: int = 1000
    max_consecutive_inbound_frames_with_empty_payload: int = 1
    max_inbound_window_update_frames_per_data_frame_sent: int = 10
    stream_error_on_invalid_message: bool = False
    stream_reset_burst: int = 1000
    stream_reset_rate: int = 33
    keepalive: KeepaliveSettings = KeepaliveSettings()
    custom_settings: tuple[tuple[int, int], ...] = ()  # identifiers and values


DEFAULT_HTTP2: Final = Http2Options()
