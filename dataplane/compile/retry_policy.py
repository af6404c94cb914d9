"""RetryPolicy (protobuf) → resilience.retry.RetryPolicy.  Envoy: config.route.v3.RetryPolicy."""

from __future__ import annotations

from envoy.config.route.v3.route_components_pb2 import RetryPolicy as RetryPolicyMessage

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.matcher import compile_header_matchers
from dataplane.compile.support import supports
from dataplane.compile.units import seconds, seconds_or, wrapped
from dataplane.resilience.retry import RetryPolicy, parse_retry_on

supports(
    RetryPolicyMessage,
    "retry_on",
    "num_retries",
    "per_try_timeout",
    "per_try_idle_timeout",
    "retriable_status_codes",
    "retry_back_off",
    "retriable_headers",
    "retriable_request_headers",
)
supports(RetryPolicyMessage.RetryBackOff, "base_interval", "max_interval")


def compile_retry_policy(message: RetryPolicyMessage, at: FieldPath) -> RetryPolicy:
    base, most = _intervals(message, at / "retry_back_off")
    return RetryPolicy(
        retry_on=parse_retry_on(message.retry_on),
        num_retries=wrapped(message, "num_retries", 1),
        per_try_timeout=seconds_or(message, "per_try_timeout", 0.0, at),
        per_try_idle_timeout=seconds_or(message, "per_try_idle_timeout", 0.0, at),
        base_interval=base,
        max_interval=most,
        retriable_status_codes=frozenset(message.retriable_status_codes),
        retriable_headers=tuple(compile_header_matchers(message.retriable_headers, at / "retriable_headers")),
        retriable_request_headers=tuple(
            compile_header_matchers(message.retriable_request_headers, at / "retriable_request_headers")
        ),
    )


def _intervals(message: RetryPolicyMessage, at: FieldPath) -> tuple[float, float]:
    """Base and greatest back-off.  Less than a millisecond counts as one, as in Envoy."""
    if not message.HasField("retry_back_off"):
        return 0.025, 0.25
    backoff = message.retry_back_off
    base = max(seconds(backoff.base_interval, at / "base_interval"), 0.001)
    if not backoff.HasField("max_interval"):
        return base, base * 10
    most = max(seconds(backoff.max_interval, at / "max_interval"), 0.001)
    if most < base:
        raise ConfigError(at / "max_interval", "retry_policy.max_interval must greater than or equal to the base_interval")
    return base, most
