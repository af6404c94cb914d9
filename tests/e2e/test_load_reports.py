"""Load reports: a server says of which clusters it wants to hear, a real proxy reports their loads.  With Envoy at hand, as Envoy does."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from envoy.service.load_stats.v3 import lrs_pb2
from google.protobuf import json_format

from tests.support import bootstraps
from tests.support.envoy_process import envoy_process
from tests.support.load_report_server import LoadReportServer, Sums, shapes, sums
from tests.support.origin import Origin, in_a_thread
from tests.support.our_process import our_process
from tests.support.proxy_process import ProxyProcess
from tests.support.subject import subject_process
from tests.support.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.e2e

REFUSAL = b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"
HTTP2 = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": bootstraps.TYPE + "upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}


def bootstrap(server: LoadReportServer, *clusters: dict[str, Any]) -> dict[str, Any]:
    """Every cluster has the requests below its name."""
    routes = [{"match": {"prefix": f"/{each['name']}"}, "route": {"cluster": each["name"]}} for each in clusters]
    lrs = bootstraps.static_cluster("lrs", server.port, typed_extension_protocol_options=HTTP2)
    services = [{"envoy_grpc": {"cluster_name": "lrs"}}]
    config = {"api_type": "GRPC", "transport_api_version": "V3", "grpc_services": services}
    return {
        **bootstraps.static([bootstraps.http_listener("in", routes)], [*clusters, lrs]),
        "cluster_manager": {"load_stats_config": config},
    }


def localities(name: str, *zones: tuple[str, int, list[int]], **policy: Any) -> dict[str, Any]:
    """zones: name, priority, ports."""
    made = bootstraps.static_cluster(name)
    made["load_assignment"]["policy"] = policy
    made["load_assignment"]["endpoints"] = [
        {
            "locality": {"region": "r", "zone": zone},
            "priority": priority,
            "lb_endpoints": [{"endpoint": {"address": bootstraps.address(port)}} for port in ports],
        }
        for zone, priority, ports in zones
    ]
    return made


def wish(*names: str, **more: Any) -> Any:
    content = {"clusters": names, "load_reporting_interval": "0.1s", **more}
    return json_format.ParseDict(content, lrs_pb2.LoadStatsResponse())


@contextmanager
def running(proxy: ProxyProcess) -> Iterator[ProxyProcess]:
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


@contextmanager
def origin(answer: bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n") -> Iterator[Origin]:
    made = Origin("origin")
    made.answer = answer
    with in_a_thread(made):
        yield made


def ask(proxy: ProxyProcess, path: str, times: int) -> None:
    """One connection for each request, so that several workers have some."""
    port = proxy.wait_listeners(["in"])["in"]
    for _ in range(times):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        connection.request("GET", path)
        connection.getresponse().read()
        connection.close()


def want(server: LoadReportServer, response: Any) -> None:
    """Returns when the proxy follows what is wanted: each message after this one is a report of it."""
    server.send(response)
    seen = len(server.messages)
    wait_until(lambda: any(each.cluster_stats for each in server.messages[seen:]), "a report")


def streaming(server: LoadReportServer, count: int = 1) -> None:
    wait_until(lambda: server.streams == count and server.messages, "the stream")


def loads(server: LoadReportServer, proxy: ProxyProcess, expected: Sums) -> None:
    streaming(server)
    want(server, wish("web", "full", "shed", "idle", "nowhere", report_endpoint_granularity=True))
    for path, times in (("/web", 4), ("/full", 2), ("/shed", 3), ("/unreported", 1)):
        ask(proxy, path, times)
    wait_until(lambda: server.reported == expected, f"{expected}, last {server.reported}")


def test_reports_are_those_of_envoy(tmp_path: Path) -> None:
    """Successes and failures by locality and endpoint, requests that found no room, requests that were shed, clusters without any."""
    with ExitStack() as stack:
        good, bad = (stack.enter_context(each).port for each in (origin(), origin(REFUSAL)))
        none = {"circuit_breakers": {"thresholds": [{"max_pending_requests": 0}]}}
        shedding = [{"category": "busy", "drop_percentage": {"numerator": 100}}]
        clusters = (
            localities("web", ("one", 0, [good]), ("two", 0, [bad]), ("three", 1, [1])),
            {**localities("full", ("one", 0, [good])), **none},
            localities("shed", ("one", 0, [good]), drop_overloads=shedding),
            localities("idle", ("one", 0, [good])),
            localities("unreported", ("one", 0, [good])),
        )
        expected: Sums = {("full", "dropped"): 2, ("shed", "dropped"): 3, ("shed", "dropped", "busy"): 3}
        for place, port, result in (("one/0", good, "succeeded"), ("two/0", bad, "failed")):
            for key in (("web", place), ("web", place, str(port))):
                expected |= {(*key, result): 2, (*key, "issued"): 2}
        found = []
        for make in (our_process, envoy_process):
            server = stack.enter_context(LoadReportServer())
            proxy = stack.enter_context(running(make(bootstrap(server, *clusters), tmp_path / make.__name__)))
            loads(server, proxy, expected)
            features = server.messages[0].node.client_features
            found.append(({path for path in shapes(server.messages) if path[0] == "clusterStats"}, list(features)[-1:]))
        ours, envoys = found
        assert ours == envoys


def subject(server: LoadReportServer, directory: Path, *clusters: dict[str, Any]) -> ProxyProcess:
    return subject_process(bootstrap(server, *clusters), directory)


def active_only(server: LoadReportServer) -> bool:
    """Whether some report has nothing but requests that go on."""
    found = (locality for each in server.messages for stats in each.cluster_stats for locality in stats.upstream_locality_stats)
    return any(each.total_requests_in_progress == 1 and not each.total_issued_requests for each in found)


def test_a_request_that_goes_on_is_reported_in_every_period(tmp_path: Path) -> None:
    with LoadReportServer() as server, origin(b"") as silent:
        cluster = localities("web", ("one", 0, [silent.port]))
        with running(subject(server, tmp_path, cluster)) as proxy:
            streaming(server)
            want(server, wish("web"))
            with socket.create_connection(("127.0.0.1", proxy.wait_listeners(["in"])["in"])) as client:
                client.sendall(b"GET /web HTTP/1.1\r\nhost: a\r\n\r\n")
                wait_until(lambda: active_only(server), "a period in which nothing was issued")
            assert server.reported == {("web", "one/0", "issued"): 1}


def test_another_response_takes_the_place_of_the_first_and_what_was_before_is_not_reported(tmp_path: Path) -> None:
    with LoadReportServer() as server, origin() as one:
        web, other = (localities(name, ("one", 0, [one.port])) for name in ("web", "other"))
        with running(subject(server, tmp_path, web, other)) as proxy:
            streaming(server)
            ask(proxy, "/web", 1)
            want(server, wish("web"))
            ask(proxy, "/other", 2)
            server.send(wish(send_all_clusters=True))
            names = {"web", "other", "lrs"}
            wait_until(lambda: {each.cluster_name for each in server.messages[-1].cluster_stats} == names, "all clusters")
            seen = len(server.messages)
            ask(proxy, "/other", 3)
            key = ("other", "one/0", "issued")
            wait_until(lambda: sums(server.messages[seen:]).get(key) == 3, "three requests")
            assert server.reported[key] == 3
            assert ("web", "one/0", "issued") not in server.reported
            counts = proxy.admin.stats("load_reporter")
            assert (counts["load_reporter.requests"], counts["load_reporter.errors"]) == (2, 0)


def test_after_a_lost_stream_the_proxy_reports_what_happened_meanwhile(tmp_path: Path) -> None:
    with ExitStack() as stack:
        server, one = stack.enter_context(LoadReportServer()), stack.enter_context(origin())
        proxy = stack.enter_context(running(subject(server, tmp_path, localities("web", ("one", 0, [one.port])))))
        streaming(server)
        want(server, wish("web"))
        server.end_streams()
        ask(proxy, "/web", 2)
        streaming(server, 2)
        wait_until(lambda: server.reported.get(("web", "one/0", "issued")) == 2, "two requests")
        assert server.messages[0].node == server.messages[-1].node
        counts = proxy.admin.stats("load_reporter")
        assert (counts["load_reporter.retries"], counts["load_reporter.errors"]) == (1, 0)


def test_the_requests_of_all_workers_are_reported(tmp_path: Path) -> None:
    with LoadReportServer() as server, origin() as one:
        shedding = localities(
            "shed", ("one", 0, [one.port]), drop_overloads=[{"category": "busy", "drop_percentage": {"numerator": 100}}]
        )
        clusters = (localities("web", ("one", 0, [one.port])), shedding)
        with running(our_process(bootstrap(server, *clusters), tmp_path, "--concurrency", "2")) as proxy:
            streaming(server)
            want(server, wish("web", "shed"))
            ask(proxy, "/web", 20)
            ask(proxy, "/shed", 10)
            place = ("web", "one/0")
            expected: Sums = {(*place, "succeeded"): 20, (*place, "issued"): 20}
            expected |= {("shed", "dropped"): 10, ("shed", "dropped", "busy"): 10}
            wait_until(lambda: server.reported == expected, f"{expected}")
