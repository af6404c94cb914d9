"""Cluster.outlier_detection → resilience.outlier.OutlierSettings.  Envoy: config.cluster.v3.OutlierDetection."""

from __future__ import annotations

from typing import Final

from envoy.config.cluster.v3.cluster_pb2 import Cluster as ClusterMessage
from envoy.config.cluster.v3.outlier_detection_pb2 import OutlierDetection

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.support import supports
from dataplane.compile.units import seconds_or, wrapped
from dataplane.resilience.outlier import OutlierSettings

# Fields that have the same name and form on both sides.
_NUMBERS: Final = (
    "consecutive_5xx",
    "consecutive_gateway_failure",
    "consecutive_local_origin_failure",
    "max_ejection_percent",
    "always_eject_one_host",
    "success_rate_minimum_hosts",
    "success_rate_request_volume",
    "success_rate_stdev_factor",
    "failure_percentage_threshold",
    "failure_percentage_minimum_hosts",
    "failure_percentage_request_volume",
    "enforcing_consecutive_5xx",
    "enforcing_consecutive_gateway_failure",
    "enforcing_consecutive_local_origin_failure",
    "enforcing_success_rate",
    "enforcing_local_origin_success_rate",
    "enforcing_failure_percentage",
    "successful_active_health_check_uneject_host",
)
_DEFAULTS: Final = OutlierSettings()

supports(
    OutlierDetection,
    *_NUMBERS,
    "enforcing_failure_percentage_local_origin",
    "split_external_local_origin_errors",
    "interval",
    "base_ejection_time",
    "max_ejection_time",
    "max_ejection_time_jitter",
)


def compile_outlier_detection(cluster: ClusterMessage, at: FieldPath) -> OutlierSettings | None:
    if not cluster.HasField("outlier_detection"):
        return None
    message, at = cluster.outlier_detection, at / "outlier_detection"
    base = seconds_or(message, "base_ejection_time", _DEFAULTS.base_ejection_time, at)
    longest = seconds_or(message, "max_ejection_time", max(_DEFAULTS.max_ejection_time, base), at)
    if longest < base:
        raise ConfigError(
            at / "max_ejection_time", "outlier detector's max_ejection_time cannot be smaller than base_ejection_time"
        )
    numbers = {name: wrapped(message, name, getattr(_DEFAULTS, name)) for name in _NUMBERS}
    return OutlierSettings(
        interval=seconds_or(message, "interval", _DEFAULTS.interval, at),
        base_ejection_time=base,
        max_ejection_time=longest,
        max_ejection_time_jitter=seconds_or(message, "max_ejection_time_jitter", 0.0, at),
        split_external_local_origin_errors=message.split_external_local_origin_errors,
        enforcing_local_origin_failure_percentage=wrapped(message, "enforcing_failure_percentage_local_origin", 0),
        **numbers,
    )
