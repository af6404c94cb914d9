"""Health discovery: a server says what to check, a real proxy reports how well it is.  With Envoy at hand, in Envoy's very words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from envoy.service.health.v3 import hds_pb2
from google.protobuf import json_format

from tests.support import bootstraps
from tests.support.envoy_process import envoy_process
from tests.support.health_discovery_server import HealthDiscoveryServer, Report
from tests.support.origin import Origin, in_a_thread
from tests.support.our_process import our_process
from tests.support.proxy_process import ProxyProcess
from tests.support.subject import subject_process
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

HEALTHY, UNHEALTHY, TIMEOUT = 1, 2, 4
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
HTTP2 = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": bootstraps.TYPE + "upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}


def bootstrap(server: HealthDiscoveryServer) -> dict[str, Any]:
    services = [{"envoy_grpc": {"cluster_name": "hds"}}]
    return {
        **bootstraps.static([], [bootstraps.static_cluster("hds", server.port, typed_extension_protocol_options=HTTP2)]),
        "hds_config": {"api_type": "GRPC", "transport_api_version": "V3", "grpc_services": services},
    }


@contextmanager
def running(proxy: ProxyProcess) -> Iterator[ProxyProcess]:
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


def check(**kind: Any) -> dict[str, Any]:
    times = {"timeout": "0.5s", "interval": "0.05s", "no_traffic_interval": "0.05s"}
    return {**times, "unhealthy_threshold": 1, "healthy_threshold": 1, **kind}


HTTP_CHECK = check(http_health_check={"path": "/health"})


def cluster(name: str, *ports: int, checks: tuple[dict[str, Any], ...] = (HTTP_CHECK,), zone: str = "") -> dict[str, Any]:
    endpoints = [{"address": bootstraps.address(port)} for port in ports]
    place = {"locality": {"zone": zone}} if zone else {}
    return {"cluster_name": name, "health_checks": checks, "locality_endpoints": [{**place, "endpoints": endpoints}]}


def specifier(*clusters: dict[str, Any]) -> Any:
    content = {"cluster_health_checks": clusters, "interval": "0.1s"}
    return json_format.ParseDict(content, hds_pb2.HealthCheckSpecifier())


@contextmanager
def origin(answer: bytes = OK) -> Iterator[Origin]:
    made = Origin("origin")
    made.answer = answer
    with in_a_thread(made):
        yield made


def test_reports_are_those_of_envoy(tmp_path: Path) -> None:
    """Endpoints that are well, that refuse, that are degraded, silent, gone, not asked; HTTP and TCP; several localities."""
    with ExitStack() as stack:
        degraded = b"HTTP/1.1 200 OK\r\nx-envoy-degraded: 1\r\ncontent-length: 0\r\n\r\n"
        refusal = b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"
        ports = [stack.enter_context(origin(answer)).port for answer in (OK, refusal, degraded, b"")]
        wanted = specifier(
            {**cluster("web", *ports, 1, zone="z")},
            cluster("tcp", ports[0], 1, checks=(check(tcp_health_check={}),)),
            cluster("unasked", ports[0], checks=()),
            {"cluster_name": "empty", "health_checks": [HTTP_CHECK]},
        )
        statuses = dict.fromkeys((("web", port) for port in (*ports, 1)), UNHEALTHY)
        statuses |= {("web", ports[0]): HEALTHY, ("web", ports[3]): TIMEOUT, ("unasked", ports[0]): UNHEALTHY}
        statuses |= {("tcp", ports[0]): HEALTHY, ("tcp", 1): UNHEALTHY}
        reports = []
        for make in (our_process, envoy_process):
            server = stack.enter_context(HealthDiscoveryServer())
            stack.enter_context(running(make(bootstrap(server), tmp_path / make.__name__)))
            wait_until(lambda server=server: server.requests, "the first request")  # type: ignore[misc]  # mypy and defaults of lambdas
            server.send(wanted)
            report = server.wait_exactly(statuses)
            report.DiscardUnknownFields()  # the status code of the last check, which the API as we have it does not know
            reports.append((server.requests[0].health_check_request.capability, report))
        ours, envoys = reports
        assert ours == envoys


def test_a_change_of_health_and_a_change_of_what_is_asked_are_reported(tmp_path: Path) -> None:
    with HealthDiscoveryServer() as server, origin() as one, origin() as two, running(subject(server, tmp_path)) as proxy:
        server.send(specifier(cluster("a", one.port)))
        server.wait_report(lambda report: report == {("a", one.port): HEALTHY}, "a healthy origin")
        one.answer = b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"
        server.wait_report(lambda report: report == {("a", one.port): UNHEALTHY}, "its failure")
        server.send(specifier(cluster("a", two.port), cluster("b", one.port)))
        expected: Report = {("a", two.port): HEALTHY, ("b", one.port): UNHEALTHY}
        server.wait_report(lambda report: report == expected, "the other endpoints")
        assert proxy.admin.stats("hds_delegate")["hds_delegate.updates"] == 2


def subject(server: HealthDiscoveryServer, directory: Path) -> ProxyProcess:
    return subject_process(bootstrap(server), directory)


def test_a_specifier_that_is_none_changes_nothing(tmp_path: Path) -> None:
    with HealthDiscoveryServer() as server, origin() as one, running(subject(server, tmp_path)) as proxy:
        server.send(specifier(cluster("a", one.port)))
        server.wait_report(lambda report: report == {("a", one.port): HEALTHY}, "a healthy origin")
        server.send(specifier(cluster("b", one.port, checks=({"timeout": "1s"},))))
        wait_until(lambda: proxy.admin.stats("hds_delegate")["hds_delegate.errors"] == 1, "the refusal")
        assert server.wait_report(bool, "one more report") == {("a", one.port): HEALTHY}


def test_after_a_lost_stream_the_proxy_asks_again(tmp_path: Path) -> None:
    with HealthDiscoveryServer() as server, origin() as one, running(subject(server, tmp_path)):
        server.send(specifier(cluster("a", one.port)))
        server.wait_report(bool, "a report")
        server.end_streams()
        wait_until(lambda: len(server.requests) == 2, "the second request")
        assert server.requests[0] == server.requests[1]
        assert server.requests[1].health_check_request.node.id == "test"
        server.wait_report(lambda report: report == {("a", one.port): HEALTHY}, "a report on the second stream")
