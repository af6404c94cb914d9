"""HealthCheckSpecifier → clusters that are only checked."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.base.address import SocketAddress
from dataplane.base.errors import ConfigError, InvalidResource
from dataplane.compile.context import CompileContext
from dataplane.compile.health_discovery import compile_specifier
from dataplane.snapshot.cluster import Locality
from dataplane.snapshot.health_check import HttpHealthCheck, TcpHealthCheck
from tests.support.compiling import message

TIMES = {"timeout": "1s", "interval": "2s", "unhealthy_threshold": 1, "healthy_threshold": 1}
ENDPOINT = {"address": {"socket_address": {"address": "10.0.0.1", "port_value": 80}}}


def serialized(content: dict[str, Any]) -> bytes:
    return bytes(message("envoy.service.health.v3.HealthCheckSpecifier", content).SerializeToString())


def errors(content: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidResource) as caught:
        compile_specifier(serialized(content), CompileContext())
    return [str(error.at) for error in caught.value.errors]


def test_a_cluster_may_have_several_checks_and_localities() -> None:
    checks = [{**TIMES, "http_health_check": {"path": "/up"}}, {**TIMES, "tcp_health_check": {}}]
    places = [{"locality": {"zone": "z"}, "endpoints": [ENDPOINT]}, {"endpoints": []}]
    content = {
        "cluster_health_checks": [{"cluster_name": "a", "health_checks": checks, "locality_endpoints": places}],
        "interval": "0.5s",
    }
    specifier = compile_specifier(serialized(content), CompileContext())
    (cluster,) = specifier.clusters
    assert specifier.interval == 0.5
    assert [check.kind for check in cluster.health_checks] == [HttpHealthCheck(b"/up"), TcpHealthCheck()]
    assert cluster.load_assignment is not None
    first, second = cluster.load_assignment.localities
    assert (first.locality, second.locality) == (Locality(zone="z"), Locality())
    assert [endpoint.address for endpoint in first.endpoints] == [SocketAddress("10.0.0.1", 80)]


def test_without_an_interval_it_is_a_second() -> None:
    assert compile_specifier(b"", CompileContext()).interval == 1.0


def test_every_error_is_told_with_its_place() -> None:
    checks = [{"timeout": "1s"}]
    named = {"address": {"socket_address": {"address": "no-ip", "port_value": 80}}}
    good = {"cluster_name": "a", "health_checks": [{**TIMES, "tcp_health_check": {}}]}
    assert errors({"cluster_health_checks": [{"cluster_name": "a", "health_checks": checks}]})[0].startswith(
        "HealthCheckSpecifier.cluster_health_checks[0].health_checks[0]"
    )
    assert errors({"cluster_health_checks": [{**good, "locality_endpoints": [{"endpoints": [named]}]}]}) == [
        "HealthCheckSpecifier.cluster_health_checks[0].locality_endpoints[0].endpoints[0].endpoint.address.socket_address.address"
    ]


def test_what_is_no_specifier_is_refused() -> None:
    with pytest.raises(ConfigError, match="not a serialized HealthCheckSpecifier"):
        compile_specifier(b"\xff", CompileContext())
