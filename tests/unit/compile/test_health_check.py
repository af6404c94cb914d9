"""Health checks and outlier detection.  Which ones are accepted was tried with Envoy 1.40, whose words the errors use."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.resilience.health import CheckIntervals
from dataplane.resilience.outlier import OutlierSettings
from dataplane.snapshot.cluster import Cluster
from dataplane.snapshot.health_check import HealthCheck, HttpHealthCheck, TcpHealthCheck
from tests.support.compiling import compiled, errors, message

CLUSTER = "envoy.config.cluster.v3.Cluster"
REQUIRED = {"timeout": "1s", "interval": "5s", "unhealthy_threshold": 3, "healthy_threshold": 2}


def cluster(**fields: Any) -> Cluster:
    value = compiled(message(CLUSTER, {"name": "z", **fields}))
    assert isinstance(value, Cluster)
    return value


def check(**fields: Any) -> HealthCheck:
    (found,) = cluster(health_checks=[{**REQUIRED, **fields}]).health_checks
    return found


def problems(*checks: dict[str, Any]) -> list[str]:
    return errors(message(CLUSTER, {"name": "z", "health_checks": [{**REQUIRED, **each} for each in checks]}))


def test_defaults() -> None:
    assert cluster().health_checks == ()
    assert check(http_health_check={"path": "/hz"}) == HealthCheck(
        kind=HttpHealthCheck(path=b"/hz"),
        timeout=1.0,
        intervals=CheckIntervals(healthy=5.0, unhealthy=5.0, healthy_edge=5.0, unhealthy_edge=5.0),
        healthy_threshold=2,
        unhealthy_threshold=3,
    )


def test_every_field() -> None:
    found = check(
        initial_jitter="1s",
        interval_jitter="2s",
        interval_jitter_percent=50,
        alt_port=8080,
        reuse_connection=False,
        no_traffic_interval="6s",
        no_traffic_healthy_interval="7s",
        unhealthy_interval="8s",
        unhealthy_edge_interval="9s",
        healthy_edge_interval="10s",
        http_health_check={
            "host": "a.test",
            "path": "/hz",
            "method": "HEAD",
            "request_headers_to_add": [{"header": {"key": "X-A", "value": "b"}}, {"header": {"key": "x-empty"}}],
            "expected_statuses": [{"start": 200, "end": 300}],
            "retriable_statuses": [{"start": 500, "end": 502}],
        },
    )
    assert found.kind == HttpHealthCheck(
        b"/hz", b"HEAD", b"a.test", ((b"x-a", b"b"),), expected_statuses=((200, 300),), retriable_statuses=((500, 502),)
    )
    assert found.intervals == CheckIntervals(5.0, 8.0, 10.0, 9.0, 6.0, 7.0, 2.0, 0.5)
    assert (found.initial_jitter, found.alt_port, found.reuse_connection) == (1.0, 8080, False)


def test_intervals_that_are_those_of_others() -> None:
    found = check(unhealthy_interval="8s", no_traffic_interval="6s", tcp_health_check={})
    assert found.intervals == CheckIntervals(5.0, 8.0, 5.0, 8.0, 6.0, 6.0)


def test_tcp_payloads() -> None:
    found = check(tcp_health_check={"send": {"text": "50494e47"}, "receive": [{"binary": "UE8="}, {"text": "4e47"}]})
    assert found.kind == TcpHealthCheck(b"PING", (b"PO", b"NG"))
    assert check(tcp_health_check={}).kind == TcpHealthCheck()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"http_health_check": {"path": "/", "expected_statuses": [{"start": 300, "end": 200}]}},
            "Invalid http expected status range: expecting start < end, but found start=300 and end=200",
        ),
        (
            {"http_health_check": {"path": "/", "expected_statuses": [{"start": 0, "end": 200}]}},
            "Invalid http expected status range: expecting start >= 100, but found start=0",
        ),
        (
            {"http_health_check": {"path": "/", "retriable_statuses": [{"start": 100, "end": 700}]}},
            "Invalid http retriable status range: expecting end <= 600, but found end=700",
        ),
        ({"tcp_health_check": {"send": {"text": "zz"}}}, "invalid hex string 'zz'"),
        ({"tcp_health_check": {"receive": [{"text": "abc"}]}}, "invalid hex string 'abc'"),
        ({"grpc_health_check": {}}, "not supported"),
        ({"http_health_check": {"path": "/", "codec_client_type": "HTTP2"}}, "not supported"),
        ({"http_health_check": {"path": "/", "receive": [{"text": "00"}]}}, "not supported"),
        (
            {"http_health_check": {"path": "/", "request_headers_to_add": [{"header": {"key": "a", "value": "%PROTOCOL%"}}]}},
            "not supported: a format string in a health check",
        ),
    ],
)
def test_refused(fields: dict[str, Any], reason: str) -> None:
    (found,) = problems(fields)
    assert found.startswith("health_checks[0].")
    assert reason in found


def test_one_at_most() -> None:
    assert problems({"tcp_health_check": {}}, {"tcp_health_check": {}}) == [
        "health_checks[1]: not supported: more than one health check"
    ]


def test_how_an_endpoint_is_checked() -> None:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 80}}
    special = {"port_value": 8080, "hostname": "hc.test", "disable_active_health_check": True}
    endpoints = [{"endpoint": {"address": address, "health_check_config": special}}]
    assignment = cluster(load_assignment={"cluster_name": "z", "endpoints": [{"lb_endpoints": endpoints}]}).load_assignment
    assert assignment is not None
    (found,) = assignment.localities[0].endpoints
    assert (found.health_check_port, found.health_check_hostname, found.health_check_disabled) == (8080, "hc.test", True)


def test_removed_hosts() -> None:
    assert not cluster().ignore_health_on_host_removal
    assert cluster(ignore_health_on_host_removal=True).ignore_health_on_host_removal


# ---- outlier detection


def test_outlier_defaults() -> None:
    assert cluster().outlier_detection is None
    assert cluster(outlier_detection={}).outlier_detection == OutlierSettings()


def test_outlier_fields() -> None:
    found = cluster(
        outlier_detection={
            "consecutive_5xx": 7,
            "interval": "1s",
            "base_ejection_time": "400s",
            "max_ejection_time_jitter": "2s",
            "max_ejection_percent": 50,
            "split_external_local_origin_errors": True,
            "enforcing_failure_percentage_local_origin": 3,
            "successful_active_health_check_uneject_host": False,
        }
    ).outlier_detection
    assert found == OutlierSettings(
        consecutive_5xx=7,
        interval=1.0,
        base_ejection_time=400.0,
        max_ejection_time=400.0,
        max_ejection_time_jitter=2.0,
        max_ejection_percent=50,
        split_external_local_origin_errors=True,
        enforcing_local_origin_failure_percentage=3,
        successful_active_health_check_uneject_host=False,
    )


def test_an_ejection_cannot_be_longer_than_the_longest() -> None:
    made = message(CLUSTER, {"name": "z", "outlier_detection": {"max_ejection_time": "10s"}})
    reason = "outlier detector's max_ejection_time cannot be smaller than base_ejection_time"
    assert errors(made) == [f"outlier_detection.max_ejection_time: {reason}"]
