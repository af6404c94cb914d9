"""Compiled active health checks.  Envoy: config.core.v3.HealthCheck."""

from __future__ import annotations

from dataclasses import dataclass

from dataplane.resilience.health import CheckIntervals
from dataplane.semantics.header_map import Field

StatusRange = tuple[int, int]  # first status, and the one behind the last


@dataclass(frozen=True, slots=True)
class HttpHealthCheck:
    """host: "" for the endpoint's or the cluster's name.  fields: sent behind `user-agent: Envoy/HC`."""

    path: bytes
    method: bytes = b"GET"
    host: bytes = b""
    fields: tuple[Field, ...] = ()
    expected_statuses: tuple[StatusRange, ...] = ((200, 201),)
    retriable_statuses: tuple[StatusRange, ...] = ()


@dataclass(frozen=True, slots=True)
class TcpHealthCheck:
    """send: b"" to connect only.  receive: all of it, in order, with anything between."""

    send: bytes = b""
    receive: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """Times in seconds."""

    kind: HttpHealthCheck | TcpHealthCheck
    timeout: float
    intervals: CheckIntervals
    healthy_threshold: int
    unhealthy_threshold: int
    initial_jitter: float = 0.0
    reuse_connection: bool = True
    alt_port: int = 0  # 0: the endpoint's own
