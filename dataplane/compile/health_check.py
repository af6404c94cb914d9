"""Active health checks of a cluster → snapshot.health_check.

Not here: running them (upstream.health_check).  Envoy: config.core.v3.HealthCheck.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from envoy.config.core.v3.base_pb2 import RequestMethod
from envoy.config.core.v3.health_check_pb2 import HealthCheck as HealthCheckMessage
from envoy.config.endpoint.v3.endpoint_components_pb2 import Endpoint as EndpointMessage
from envoy.type.v3.range_pb2 import Int64Range

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.header_mutations import compile_additions
from dataplane.compile.support import ignores, supports
from dataplane.compile.units import seconds, seconds_or, wrapped
from dataplane.resilience.health import CheckIntervals
from dataplane.semantics.header_map import Field
from dataplane.snapshot.health_check import HealthCheck, HttpHealthCheck, StatusRange, TcpHealthCheck

supports(
    HealthCheckMessage,
    "timeout",
    "interval",
    "initial_jitter",
    "interval_jitter",
    "interval_jitter_percent",
    "unhealthy_threshold",
    "healthy_threshold",
    "alt_port",
    "reuse_connection",
    "http_health_check",
    "tcp_health_check",
    "no_traffic_interval",
    "no_traffic_healthy_interval",
    "unhealthy_interval",
    "unhealthy_edge_interval",
    "healthy_edge_interval",
)
ignores(
    HealthCheckMessage,
    "always_log_health_check_failures",
    "always_log_health_check_success",
    because="they speak of an event log, and those are refused",
)
supports(
    HealthCheckMessage.HttpHealthCheck,
    "host",
    "path",
    "request_headers_to_add",
    "expected_statuses",
    "retriable_statuses",
    "method",
    codec_client_type=("HTTP1",),
)
supports(HealthCheckMessage.TcpHealthCheck, "send", "receive")
supports(HealthCheckMessage.Payload, "text", "binary")
supports(EndpointMessage.HealthCheckConfig, "port_value", "hostname", "disable_active_health_check")
supports(Int64Range, "start", "end")

_NO_TRAFFIC: Final = 60.0


def compile_health_checks(messages: Any, at: FieldPath, context: CompileContext) -> tuple[HealthCheck, ...]:
    """One at most.  Errors of it go to the context."""
    if len(messages) > 1:
        raise ConfigError(at / 1, "not supported: more than one health check")
    checks = []
    for index, message in enumerate(messages):
        with context.problems.collect():
            checks.append(compile_health_check(message, at / index, context))
    return tuple(checks)


def compile_health_check(message: HealthCheckMessage, at: FieldPath, context: CompileContext) -> HealthCheck:
    return HealthCheck(
        kind=_kind(message, at, context),
        timeout=seconds(message.timeout, at / "timeout"),
        intervals=_intervals(message, at),
        healthy_threshold=message.healthy_threshold.value,
        unhealthy_threshold=message.unhealthy_threshold.value,
        initial_jitter=seconds_or(message, "initial_jitter", 0.0, at),
        reuse_connection=wrapped(message, "reuse_connection", True),
        alt_port=wrapped(message, "alt_port", 0),
    )


def _intervals(message: HealthCheckMessage, at: FieldPath) -> CheckIntervals:
    """Each interval that is not given is that of another."""
    interval = seconds(message.interval, at / "interval")
    unhealthy = seconds_or(message, "unhealthy_interval", interval, at)
    no_traffic = seconds_or(message, "no_traffic_interval", _NO_TRAFFIC, at)
    return CheckIntervals(
        healthy=interval,
        unhealthy=unhealthy,
        healthy_edge=seconds_or(message, "healthy_edge_interval", interval, at),
        unhealthy_edge=seconds_or(message, "unhealthy_edge_interval", unhealthy, at),
        no_traffic=no_traffic,
        no_traffic_healthy=seconds_or(message, "no_traffic_healthy_interval", no_traffic, at),
        jitter=seconds_or(message, "interval_jitter", 0.0, at),
        jitter_fraction=message.interval_jitter_percent / 100,
    )


def _kind(message: HealthCheckMessage, at: FieldPath, context: CompileContext) -> HttpHealthCheck | TcpHealthCheck:
    if message.HasField("http_health_check"):
        return _http(message.http_health_check, at / "http_health_check", context)
    return _tcp(message.tcp_health_check, at / "tcp_health_check")


def _http(message: Any, at: FieldPath, context: CompileContext) -> HttpHealthCheck:
    return HttpHealthCheck(
        path=message.path.encode(),
        method=RequestMethod.Name(message.method).encode() if message.method else b"GET",
        host=message.host.encode(),
        fields=_fields(message.request_headers_to_add, at / "request_headers_to_add", context),
        expected_statuses=_ranges(message.expected_statuses, "expected", at / "expected_statuses") or ((200, 201),),
        retriable_statuses=_ranges(message.retriable_statuses, "retriable", at / "retriable_statuses"),
    )


def _fields(options: Any, at: FieldPath, context: CompileContext) -> tuple[Field, ...]:
    """A check has no stream that a format string could read."""
    fields = []
    for index, addition in enumerate(compile_additions(options, at, context)):
        if not isinstance(addition.value, bytes):
            raise ConfigError(at / index / "header" / "value", "not supported: a format string in a health check")
        if addition.value or addition.keep_empty_value:
            fields.append((addition.name, addition.value))
    return tuple(fields)


def _ranges(messages: Iterable[Int64Range], what: str, at: FieldPath) -> tuple[StatusRange, ...]:
    """[start, end) each."""
    ranges = []
    for index, message in enumerate(messages):
        start, end = message.start, message.end
        prefix = f"Invalid http {what} status range: expecting"
        if start >= end:
            raise ConfigError(at / index, f"{prefix} start < end, but found start={start} and end={end}")
        if start < 100:
            raise ConfigError(at / index, f"{prefix} start >= 100, but found start={start}")
        if end > 600:
            raise ConfigError(at / index, f"{prefix} end <= 600, but found end={end}")
        ranges.append((start, end))
    return tuple(ranges)


def _tcp(message: Any, at: FieldPath) -> TcpHealthCheck:
    return TcpHealthCheck(
        send=_payload(message.send, at / "send"),
        receive=tuple(_payload(payload, at / "receive" / index) for index, payload in enumerate(message.receive)),
    )


def _payload(message: Any, at: FieldPath) -> bytes:
    """text: hexadecimal digits.  Nothing set: no bytes."""
    if not message.text:
        return bytes(message.binary)
    try:
        return bytes.fromhex(message.text)
    except ValueError:
        raise ConfigError(at / "text", f"invalid hex string '{message.text}'") from None
