"""Which statistics a case compares: those below for its connection manager and its clusters, and those it names itself."""

from __future__ import annotations

from collections.abc import Mapping

from tests.differential.bootstrap import cluster_name
from tests.differential.case import Case

# Below `http.<stat_prefix>.`
HTTP_STATS = (
    "downstream_rq_total",
    "downstream_rq_completed",
    "downstream_rq_1xx",
    "downstream_rq_2xx",
    "downstream_rq_3xx",
    "downstream_rq_4xx",
    "downstream_rq_5xx",
    "downstream_rq_http1_total",
    "downstream_rq_active",
    "downstream_cx_total",
    "downstream_cx_http1_total",
    "downstream_cx_protocol_error",
    "downstream_rq_rx_reset",
    "downstream_rq_tx_reset",
    "downstream_rq_non_relative_path",
    "downstream_rq_too_large",
    "downstream_rq_timeout",
    "downstream_rq_idle_timeout",
    "downstream_rq_response_before_rq_complete",
    "downstream_rq_rejected_via_ip_detection",
    "downstream_rq_redirected_with_normalized_path",
    "no_route",
    "no_cluster",
    "rq_direct_response",
    "rq_redirect",
    "rq_total",
)

# Below `cluster.<name>.`
CLUSTER_STATS = (
    "upstream_rq_total",
    "upstream_rq_completed",
    "upstream_rq_2xx",
    "upstream_rq_3xx",
    "upstream_rq_4xx",
    "upstream_rq_5xx",
    "upstream_rq_timeout",
    "upstream_rq_per_try_timeout",
    "upstream_rq_rx_reset",
    "upstream_rq_tx_reset",
    "upstream_rq_retry",
    "upstream_rq_retry_success",
    "upstream_rq_pending_total",
    "upstream_rq_pending_failure_eject",
    "upstream_rq_pending_overflow",
    "upstream_rq_active",
    "upstream_rq_cancelled",
    "upstream_rq_maintenance_mode",
    "upstream_cx_total",
    "upstream_cx_http1_total",
    "upstream_cx_connect_fail",
    "upstream_cx_protocol_error",
    "upstream_cx_none_healthy",
    "upstream_cx_max_requests",
    "upstream_cx_close_notify",
)

# The same of clusters whose upstream speaks HTTP/2.
HTTP2_CLUSTER_STATS = (
    "upstream_cx_http2_total",
    "upstream_cx_active",
    "upstream_cx_destroy_local",
    "upstream_cx_destroy_remote",
    "upstream_cx_destroy_local_with_active_rq",
    "upstream_cx_destroy_remote_with_active_rq",
    "http2.rx_reset",
    "http2.tx_reset",
    "http2.rx_messaging_error",
    "http2.trailers",
    "http2.keepalive_timeout",
    "http2.header_overflow",
)


def compared_stats(case: Case, stats: Mapping[str, int]) -> dict[str, int]:
    """The compared part of a proxy's *stats*; one that the proxy does not have counts as 0."""
    names = [f"http.{case.key}.{name}" for name in HTTP_STATS]
    for upstream in case.upstreams:
        more = HTTP2_CLUSTER_STATS if case.upstreams[upstream].http2 else ()
        names += [f"cluster.{cluster_name(case, upstream)}.{name}" for name in (*CLUSTER_STATS, *more)]
    for name in case.stats:
        for upstream in case.upstreams:
            name = name.replace(f"${upstream}", cluster_name(case, upstream))
        names.append(name.replace("$case", case.key))
    return {name: stats.get(name, 0) for name in names}
