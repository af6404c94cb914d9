"""Stats of one cluster, each declared once beside its Envoy name.

Here: the counters, bound once per cluster.  The pools count connections and requests; the router counts answers, time-outs and retries
through the same object.  Envoy: configuration/upstream/cluster_manager/cluster_stats.
"""

from __future__ import annotations

from typing import Final

from dataplane.observe.stats import Scope
from dataplane.upstream.answer_counters import AnswerCounters


class ConnectionStats:
    """What pools and connections count."""

    def __init__(self, scope: Scope) -> None:
        self.cx_total: Final = scope.counter("upstream_cx_total")
        self.cx_active: Final = scope.gauge("upstream_cx_active")
        self.cx_http1_total: Final = scope.counter("upstream_cx_http1_total")
        self.cx_http2_total: Final = scope.counter("upstream_cx_http2_total")
        self.cx_http3_total: Final = scope.counter("upstream_cx_http3_total")
        self.cx_connect_fail: Final = scope.counter("upstream_cx_connect_fail")
        self.cx_connect_timeout: Final = scope.counter("upstream_cx_connect_timeout")
        self.cx_connect_attempts_exceeded: Final = scope.counter("upstream_cx_connect_attempts_exceeded")
        self.cx_idle_timeout: Final = scope.counter("upstream_cx_idle_timeout")
        self.cx_max_duration_reached: Final = scope.counter("upstream_cx_max_duration_reached")
        self.cx_max_requests: Final = scope.counter("upstream_cx_max_requests")
        self.cx_overflow: Final = scope.counter("upstream_cx_overflow")
        self.cx_pool_overflow: Final = scope.counter("upstream_cx_pool_overflow")
        self.cx_protocol_error: Final = scope.counter("upstream_cx_protocol_error")
        self.cx_close_notify: Final = scope.counter("upstream_cx_close_notify")
        self.cx_none_healthy: Final = scope.counter("upstream_cx_none_healthy")
        self.cx_destroy: Final = scope.counter("upstream_cx_destroy")
        self.cx_destroy_local: Final = scope.counter("upstream_cx_destroy_local")
        self.cx_destroy_remote: Final = scope.counter("upstream_cx_destroy_remote")
        self.cx_destroy_with_active_rq: Final = scope.counter("upstream_cx_destroy_with_active_rq")
        self.cx_destroy_local_with_active_rq: Final = scope.counter("upstream_cx_destroy_local_with_active_rq")
        self.cx_destroy_remote_with_active_rq: Final = scope.counter("upstream_cx_destroy_remote_with_active_rq")
        self.cx_rx_bytes_total: Final = scope.counter("upstream_cx_rx_bytes_total")
        self.cx_rx_bytes_buffered: Final = scope.gauge("upstream_cx_rx_bytes_buffered")
        self.cx_tx_bytes_total: Final = scope.counter("upstream_cx_tx_bytes_total")
        self.cx_tx_bytes_buffered: Final = scope.gauge("upstream_cx_tx_bytes_buffered")
        self.cx_connect_ms: Final = scope.histogram("upstream_cx_connect_ms")
        self.cx_length_ms: Final = scope.histogram("upstream_cx_length_ms")
        self.rq_per_cx: Final = scope.histogram("upstream_rq_per_cx", "")
        self.flow_control_paused_reading_total: Final = scope.counter("upstream_flow_control_paused_reading_total")
        self.flow_control_resumed_reading_total: Final = scope.counter("upstream_flow_control_resumed_reading_total")
        self.flow_control_backed_up_total: Final = scope.counter("upstream_flow_control_backed_up_total")
        self.flow_control_drained_total: Final = scope.counter("upstream_flow_control_drained_total")
        self.rq_total: Final = scope.counter("upstream_rq_total")
        self.rq_active: Final = scope.gauge("upstream_rq_active")
        self.rq_active_overflow: Final = scope.counter("upstream_rq_active_overflow")
        self.rq_pending_total: Final = scope.counter("upstream_rq_pending_total")
        self.rq_pending_active: Final = scope.gauge("upstream_rq_pending_active")
        self.rq_pending_overflow: Final = scope.counter("upstream_rq_pending_overflow")
        self.rq_pending_failure_eject: Final = scope.counter("upstream_rq_pending_failure_eject")
        self.rq_cancelled: Final = scope.counter("upstream_rq_cancelled")
        self.rq_tx_reset: Final = scope.counter("upstream_rq_tx_reset")
        self.rq_rx_reset: Final = scope.counter("upstream_rq_rx_reset")
        self.bind_errors: Final = scope.counter("bind_errors")


class RequestStats:
    """What the router counts.  `upstream_rq_<code>` and `upstream_rq_<class>xx` are made on first use, as in Envoy."""

    def __init__(self, scope: Scope) -> None:
        self.rq_completed: Final = scope.counter("upstream_rq_completed")
        self.rq_time: Final = scope.histogram("upstream_rq_time")
        self.rq_timeout: Final = scope.counter("upstream_rq_timeout")
        self.rq_per_try_timeout: Final = scope.counter("upstream_rq_per_try_timeout")
        self.rq_per_try_idle_timeout: Final = scope.counter("upstream_rq_per_try_idle_timeout")
        self.rq_max_duration_reached: Final = scope.counter("upstream_rq_max_duration_reached")
        self.rq_maintenance_mode: Final = scope.counter("upstream_rq_maintenance_mode")
        self.rq_retry: Final = scope.counter("upstream_rq_retry")
        self.rq_retry_backoff_exponential: Final = scope.counter("upstream_rq_retry_backoff_exponential")
        self.rq_retry_backoff_ratelimited: Final = scope.counter("upstream_rq_retry_backoff_ratelimited")
        self.rq_retry_limit_exceeded: Final = scope.counter("upstream_rq_retry_limit_exceeded")
        self.rq_retry_overflow: Final = scope.counter("upstream_rq_retry_overflow")
        self.rq_retry_success: Final = scope.counter("upstream_rq_retry_success")
        self.retry_or_shadow_abandoned: Final = scope.counter("retry_or_shadow_abandoned")
        self.internal_redirect_failed_total: Final = scope.counter("upstream_internal_redirect_failed_total")
        self.internal_redirect_succeeded_total: Final = scope.counter("upstream_internal_redirect_succeeded_total")


class MembershipStats:
    """What the cluster itself counts: hosts, updates of them, and the balancer's trouble."""

    def __init__(self, scope: Scope) -> None:
        self.membership_change: Final = scope.counter("membership_change")
        self.membership_total: Final = scope.gauge("membership_total")
        self.membership_healthy: Final = scope.gauge("membership_healthy")
        self.membership_degraded: Final = scope.gauge("membership_degraded")
        self.membership_excluded: Final = scope.gauge("membership_excluded")
        self.update_attempt: Final = scope.counter("update_attempt")
        self.update_success: Final = scope.counter("update_success")
        self.update_failure: Final = scope.counter("update_failure")
        self.update_empty: Final = scope.counter("update_empty")
        self.update_no_rebuild: Final = scope.counter("update_no_rebuild")
        self.assignment_stale: Final = scope.counter("assignment_stale")
        self.assignment_timeout_received: Final = scope.counter("assignment_timeout_received")
        self.assignment_use_cached: Final = scope.counter("assignment_use_cached")
        self.max_host_weight: Final = scope.gauge("max_host_weight")
        self.lb_healthy_panic: Final = scope.counter("lb_healthy_panic")
        self.lb_local_cluster_not_ok: Final = scope.counter("lb_local_cluster_not_ok")
        self.lb_recalculate_zone_structures: Final = scope.counter("lb_recalculate_zone_structures")
        self.lb_zone_cluster_too_small: Final = scope.counter("lb_zone_cluster_too_small")
        self.lb_zone_no_capacity_left: Final = scope.counter("lb_zone_no_capacity_left")
        self.lb_zone_routing_all_directly: Final = scope.counter("lb_zone_routing_all_directly")
        self.lb_zone_routing_cross_zone: Final = scope.counter("lb_zone_routing_cross_zone")
        self.lb_zone_routing_sampled: Final = scope.counter("lb_zone_routing_sampled")
        self.original_dst_host_invalid: Final = scope.counter("original_dst_host_invalid")
        self.version: Final = scope.gauge("version")
        self.warming_state: Final = scope.gauge("warming_state")


class ClusterStats:
    """All stats of one cluster."""

    __slots__ = ("answers", "connection", "membership", "request", "scope")

    def __init__(self, scope: Scope) -> None:
        """scope: `cluster.<stat_name>.`"""
        self.scope: Final = scope
        self.connection: Final = ConnectionStats(scope)
        self.request: Final = RequestStats(scope)
        self.membership: Final = MembershipStats(scope)
        self.answers: Final = AnswerCounters(scope)


class ManagerStats:
    """`cluster_manager.`"""

    def __init__(self, scope: Scope) -> None:
        self.cluster_added: Final = scope.counter("cluster_added")
        self.cluster_modified: Final = scope.counter("cluster_modified")
        self.cluster_removed: Final = scope.counter("cluster_removed")
        self.cluster_updated: Final = scope.counter("cluster_updated")
        self.cluster_updated_via_merge: Final = scope.counter("cluster_updated_via_merge")
        self.update_merge_cancelled: Final = scope.counter("update_merge_cancelled")
        self.update_out_of_merge_window: Final = scope.counter("update_out_of_merge_window")
        self.active_clusters: Final = scope.gauge("active_clusters")
        self.warming_clusters: Final = scope.gauge("warming_clusters")
