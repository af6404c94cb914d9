"""RetryPolicy (protobuf) → resilience.retry.RetryPolicy.  Envoy: config.route.v3.RetryPolicy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from envoy.config.route.v3.route_components_pb2 import RetryPolicy as RetryPolicyMessage

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.fields import find_extension
from dataplane.compile.matcher import compile_header_matchers
from dataplane.compile.support import supports
from dataplane.compile.units import seconds, seconds_or, wrapped
from dataplane.resilience.retry import HostPredicate, RateLimitedBackOff, ResetHeader, RetryPolicy, parse_retry_on

supports(
    RetryPolicyMessage,
    "retry_on",
    "num_retries",
    "per_try_timeout",
    "per_try_idle_timeout",
    "retry_host_predicate",
    "retry_priority",
    "host_selection_retry_max_attempts",
    "retriable_status_codes",
    "retry_back_off",
    "rate_limited_retry_back_off",
    "retriable_headers",
    "retriable_request_headers",
)
supports(RetryPolicyMessage.RetryBackOff, "base_interval", "max_interval")
supports(RetryPolicyMessage.RateLimitedRetryBackOff, "reset_headers", "max_interval")
supports(RetryPolicyMessage.ResetHeader, "name", "format")
supports(RetryPolicyMessage.RetryHostPredicate, "name", "typed_config")
supports(RetryPolicyMessage.RetryPriority, "name", "typed_config")

HOST_PREDICATE_KIND: Final = "envoy.retry_host_predicates"
PRIORITY_KIND: Final = "envoy.retry_priorities"
_RATE_LIMITED_MAX: Final = 300.0


class PreviousHosts:
    """What the extension `envoy.retry_host_predicates.previous_hosts` compiles to: hosts that were tried are avoided."""


@dataclass(frozen=True, slots=True)
class AvoidedHosts:
    """What any other host predicate compiles to."""

    matches: HostPredicate


@dataclass(frozen=True, slots=True)
class PriorityUpdates:
    """What the extension `envoy.retry_priorities.previous_priorities` compiles to."""

    frequency: int


def compile_retry_policy(message: RetryPolicyMessage, at: FieldPath, context: CompileContext) -> RetryPolicy:
    base, most = _intervals(message, at / "retry_back_off")
    predicates = [
        _host_predicate(each, at / "retry_host_predicate" / index, context)
        for index, each in enumerate(message.retry_host_predicate)
    ]
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
        rate_limited=_rate_limited(message, at / "rate_limited_retry_back_off"),
        avoid_previous_hosts=any(isinstance(each, PreviousHosts) for each in predicates),
        avoids=tuple(each.matches for each in predicates if isinstance(each, AvoidedHosts)),
        priority_update_frequency=_priority_updates(message, at / "retry_priority", context),
        host_selection_attempts=max(message.host_selection_retry_max_attempts, 1),
    )


def _priority_updates(message: RetryPolicyMessage, at: FieldPath, context: CompileContext) -> int:
    if not message.HasField("retry_priority"):
        return 0
    priority, at = message.retry_priority, at / "typed_config"
    compile_config, config = find_extension(PRIORITY_KIND, priority.typed_config, priority.name, at)
    compiled = compile_config(config, at, context)
    assert isinstance(compiled, PriorityUpdates), "the only extension of its kind"
    return compiled.frequency


def _host_predicate(message: Any, at: FieldPath, context: CompileContext) -> object:
    at = at / "typed_config"
    compile_config, config = find_extension(HOST_PREDICATE_KIND, message.typed_config, message.name, at)
    compiled: object = compile_config(config, at, context)
    return compiled


def _rate_limited(message: RetryPolicyMessage, at: FieldPath) -> RateLimitedBackOff | None:
    if not message.HasField("rate_limited_retry_back_off"):
        return None
    backoff = message.rate_limited_retry_back_off
    return RateLimitedBackOff(
        reset_headers=tuple(
            ResetHeader(each.name.lower().encode(), each.format == RetryPolicyMessage.UNIX_TIMESTAMP)
            for each in backoff.reset_headers
        ),
        max_interval=seconds_or(backoff, "max_interval", _RATE_LIMITED_MAX, at),
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
