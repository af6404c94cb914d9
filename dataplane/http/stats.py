"""Counters of a connection manager, each declared once beside its Envoy name.  Envoy: configuration/http/http_conn_man/stats."""

from __future__ import annotations

from typing import Final

from dataplane.observe.stats import Counter, Scope


class HttpStats:
    """`http.<stat_prefix>.`"""

    def __init__(self, scope: Scope) -> None:
        self.cx_total: Final = scope.counter("downstream_cx_total")
        self.cx_active: Final = scope.gauge("downstream_cx_active")
        self.cx_http1_total: Final = scope.counter("downstream_cx_http1_total")
        self.cx_http1_active: Final = scope.gauge("downstream_cx_http1_active")
        self.cx_http2_total: Final = scope.counter("downstream_cx_http2_total")
        self.cx_http2_active: Final = scope.gauge("downstream_cx_http2_active")
        self.cx_destroy: Final = scope.counter("downstream_cx_destroy")
        self.cx_destroy_active_rq: Final = scope.counter("downstream_cx_destroy_active_rq")
        self.cx_destroy_local: Final = scope.counter("downstream_cx_destroy_local")
        self.cx_destroy_local_active_rq: Final = scope.counter("downstream_cx_destroy_local_active_rq")
        self.cx_destroy_remote: Final = scope.counter("downstream_cx_destroy_remote")
        self.cx_destroy_remote_active_rq: Final = scope.counter("downstream_cx_destroy_remote_active_rq")
        self.cx_delayed_close_timeout: Final = scope.counter("downstream_cx_delayed_close_timeout")
        self.cx_drain_close: Final = scope.counter("downstream_cx_drain_close")
        self.cx_idle_timeout: Final = scope.counter("downstream_cx_idle_timeout")
        self.cx_max_duration_reached: Final = scope.counter("downstream_cx_max_duration_reached")
        self.cx_max_requests_reached: Final = scope.counter("downstream_cx_max_requests_reached")
        self.cx_overload_disable_keepalive: Final = scope.counter("downstream_cx_overload_disable_keepalive")
        self.cx_protocol_error: Final = scope.counter("downstream_cx_protocol_error")
        self.cx_rx_bytes_total: Final = scope.counter("downstream_cx_rx_bytes_total")
        self.cx_tx_bytes_total: Final = scope.counter("downstream_cx_tx_bytes_total")
        self.cx_length_ms: Final = scope.histogram("downstream_cx_length_ms")
        self.flow_control_paused: Final = scope.counter("downstream_flow_control_paused_reading_total")
        self.flow_control_resumed: Final = scope.counter("downstream_flow_control_resumed_reading_total")
        self.rq_total: Final = scope.counter("downstream_rq_total")
        self.rq_http1_total: Final = scope.counter("downstream_rq_http1_total")
        self.rq_http2_total: Final = scope.counter("downstream_rq_http2_total")
        self.rq_active: Final = scope.gauge("downstream_rq_active")
        self.rq_completed: Final = scope.counter("downstream_rq_completed")
        self.rq_by_class: Final = rq_by_class(scope)
        self.rq_time: Final = scope.histogram("downstream_rq_time")
        self.rq_failed_path_normalization: Final = scope.counter("downstream_rq_failed_path_normalization")
        self.rq_redirected_with_normalized_path: Final = scope.counter("downstream_rq_redirected_with_normalized_path")
        self.rq_header_timeout: Final = scope.counter("downstream_rq_header_timeout")
        self.rq_idle_timeout: Final = scope.counter("downstream_rq_idle_timeout")
        self.rq_max_duration_reached: Final = scope.counter("downstream_rq_max_duration_reached")
        self.rq_rejected_via_ip_detection: Final = scope.counter("downstream_rq_rejected_via_ip_detection")
        self.rq_non_relative_path: Final = scope.counter("downstream_rq_non_relative_path")
        self.rq_response_before_rq_complete: Final = scope.counter("downstream_rq_response_before_rq_complete")
        self.rq_overload_close: Final = scope.counter("downstream_rq_overload_close")
        self.rq_rx_reset: Final = scope.counter("downstream_rq_rx_reset")
        self.rq_tx_reset: Final = scope.counter("downstream_rq_tx_reset")
        self.rq_timeout: Final = scope.counter("downstream_rq_timeout")
        self.rq_too_many_premature_resets: Final = scope.counter("downstream_rq_too_many_premature_resets")
        self.rq_too_large: Final = scope.counter("downstream_rq_too_large")
        self.cx_upgrades_total: Final = scope.counter("downstream_cx_upgrades_total")
        self.cx_upgrades_active: Final = scope.gauge("downstream_cx_upgrades_active")
        self.rq_ws_on_non_ws_route: Final = scope.counter("downstream_rq_ws_on_non_ws_route")
        self.rs_too_large: Final = scope.counter("rs_too_large")
        self.cx_ssl_total: Final = scope.counter("downstream_cx_ssl_total")
        self.cx_ssl_active: Final = scope.gauge("downstream_cx_ssl_active")
        self._declare_what_never_counts_here(scope)

    @staticmethod
    def _declare_what_never_counts_here(scope: Scope) -> None:
        """Dashboards expect these at 0 even where no protocol or feature ever moves them."""
        for name in (
            "downstream_cx_http3_total",
            "downstream_rq_http3_total",
            "tracing.client_enabled",
            "tracing.health_check",
            "tracing.not_traceable",
            "tracing.random_sampling",
            "tracing.service_forced",
        ):
            scope.counter(name)
        for name in (
            "downstream_cx_http1_soft_drain",
            "downstream_cx_http3_active",
            "downstream_cx_rx_bytes_buffered",
            "downstream_cx_tx_bytes_buffered",
        ):
            scope.gauge(name)


class ListenerHttpStats:
    """`listener.<address>.http.<stat_prefix>.`"""

    def __init__(self, scope: Scope) -> None:
        self.rq_completed: Final = scope.counter("downstream_rq_completed")
        self.rq_by_class: Final = rq_by_class(scope)


class Http1Stats:
    """`http1.`: what codecs of the whole process found."""

    def __init__(self, scope: Scope) -> None:
        self.dropped_headers_with_underscores: Final = scope.counter("dropped_headers_with_underscores")
        self.requests_rejected_with_underscores: Final = scope.counter("requests_rejected_with_underscores_in_headers")
        scope.counter("metadata_not_supported_error")
        scope.counter("response_flood")


def rq_by_class(scope: Scope) -> tuple[Counter, ...]:
    """By the first digit of the status; 0 and 6 to 9 are counted nowhere that anybody sees."""
    unseen = Counter("")
    seen = tuple(scope.counter(f"downstream_rq_{digit}xx") for digit in range(1, 6))
    return (unseen, *seen, unseen, unseen, unseen, unseen)
