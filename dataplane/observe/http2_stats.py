"""`http2.`: what HTTP/2 codecs found: downstream for the whole process, upstream below each cluster.

Envoy: config/http_conn_man stats, HTTP/2 codec.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dataplane.observe.stats import Scope, StatsStore

# Declared so that dashboards find them at 0; nothing here moves them.
_NEVER_COUNTED: Final = (
    "cookies_total_bytes_too_large",
    "headers_cb_no_stream",
    "inbound_priority_frames_flood",  # the protocol library ends the connection and does not say why
    "metadata_empty_frames",
    "oghttp2_downstream_connections",
    "oghttp2_upstream_connections",
    "outbound_flood",
    "stream_refused_errors",
)
_NEVER_SET: Final = ("deferred_stream_close", "outbound_control_frames_active", "outbound_frames_active", "pending_send_bytes")


class Http2Stats:
    """Every codec gets the same counters by asking for the same names."""

    def __init__(self, above: StatsStore | Scope) -> None:
        """above: the store for downstream, a cluster's scope for upstream."""
        scope = above.scope("http2.")
        self.dropped_headers_with_underscores: Final = scope.counter("dropped_headers_with_underscores")
        self.goaway_sent: Final = scope.counter("goaway_sent")
        self.header_list_size_too_large: Final = scope.counter("header_list_size_too_large")
        self.header_overflow: Final = scope.counter("header_overflow")
        self.inbound_empty_frames_flood: Final = scope.counter("inbound_empty_frames_flood")
        self.inbound_window_update_frames_flood: Final = scope.counter("inbound_window_update_frames_flood")
        self.keepalive_timeout: Final = scope.counter("keepalive_timeout")
        self.nghttp2_downstream_connections: Final = scope.counter("nghttp2_downstream_connections")
        self.nghttp2_upstream_connections: Final = scope.counter("nghttp2_upstream_connections")
        self.outbound_control_flood: Final = scope.counter("outbound_control_flood")
        self.requests_rejected_with_underscores: Final = scope.counter("requests_rejected_with_underscores_in_headers")
        self.rx_messaging_error: Final = scope.counter("rx_messaging_error")
        self.rx_reset: Final = scope.counter("rx_reset")
        self.streams_active: Final = scope.gauge("streams_active")
        self.trailers: Final = scope.counter("trailers")  # of requests only, as Envoy
        self.tx_flush_timeout: Final = scope.counter("tx_flush_timeout")
        self.tx_reset: Final = scope.counter("tx_reset")
        for name in _NEVER_COUNTED:
            scope.counter(name)
        for name in _NEVER_SET:
            scope.gauge(name)
