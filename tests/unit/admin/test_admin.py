"""The admin endpoint over a real socket, with a process that only remembers what was asked of it."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, UnixConnector
from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2

from dataplane.admin.context import AdminContext, ConfigRecord, ListenerFacts, Refusal, ServerState
from dataplane.admin.server import AdminServer
from dataplane.base.address import Address, PipeAddress, SocketAddress
from dataplane.observe import log
from dataplane.observe.names import TagExtractor
from dataplane.observe.stats import StatsStore
from dataplane.snapshot.cluster import CircuitBreakerThresholds, HealthStatus, Locality
from dataplane.upstream.facts import ClusterFacts, HostFacts

CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"


class FakeLifecycle:
    def __init__(self) -> None:
        self.state = ServerState.LIVE
        self.calls: list[object] = []

    def drain_listeners(self, **how: bool) -> None:
        self.calls.append(how)

    def quit(self) -> None:
        self.calls.append("quit")

    def fail_health_check(self, failed: bool) -> None:
        self.state = ServerState.DRAINING if failed else ServerState.LIVE

    def reopen_logs(self) -> None:
        self.calls.append("reopen")


def records() -> list[ConfigRecord]:
    def cluster(name: str) -> bytes:
        return bytes(cluster_pb2.Cluster(name=name).SerializeToString())

    listener = bytes(listener_pb2.Listener(name="edge").SerializeToString())
    return [
        ConfigRecord(CLUSTER, "fixed", cluster("fixed"), "static", updated_wall=1.0),
        ConfigRecord(CLUSTER, "app", cluster("app"), "active", "v1", 2.5),
        ConfigRecord(CLUSTER, "next", cluster("next"), "warming", "v2", 3.0),
        ConfigRecord(LISTENER, "edge", listener, "active", "v7", 4.0, Refusal("no such filter", "v8", 5.0, listener)),
        ConfigRecord(LISTENER, "edge", listener, "warming", "v9", 6.0),
    ]


def cluster_facts() -> list[ClusterFacts]:
    limits = CircuitBreakerThresholds()
    host = HostFacts(
        SocketAddress("127.0.0.1", 80), "app.local", {"cx_total": 2, "rq_total": 0}, {"cx_active": 1}, "healthy",
        HealthStatus.UNKNOWN, 3, Locality("r", "z"), 0,
    )  # fmt: skip
    return [ClusterFacts("app", "app", True, (limits, limits), [host], "eds-app")]


class Admin:
    """An endpoint that is open for the length of one test."""

    def __init__(self, address: Address) -> None:
        self.lifecycle = FakeLifecycle()
        self.stats = StatsStore()
        self.refreshed = 0
        self.server = AdminServer(self._context())
        self.address = address

    def _context(self) -> AdminContext:
        bootstrap = bootstrap_pb2.Bootstrap()
        bootstrap.node.id = "n1"
        return AdminContext(
            stats=self.stats,
            tags=TagExtractor(),
            lifecycle=self.lifecycle,
            bootstrap=lambda: bytes(bootstrap.SerializeToString()),
            records=records,
            clusters=cluster_facts,
            listeners=lambda: [ListenerFacts("edge", (SocketAddress("::1", 8080), PipeAddress("/run/edge.sock")))],
            runtime=lambda: [("base", {"a": "1", "b": "2"}), ("override", {"a": "3"})],
            command_line={"mode": "Serve"},
            started_wall=0.0,
            refresh_stats=self._refresh,
        )

    def _refresh(self) -> None:
        self.refreshed += 1


Answer = tuple[int, Mapping[str, str], str]


def ask(*requests: tuple[str, str], admin: Admin | None = None) -> list[Answer]:
    """Send each (method, path) and return status, headers and body of the answers."""
    admin = admin or Admin(SocketAddress("127.0.0.1", 0))

    async def run() -> list[Answer]:
        await admin.server.start(admin.address)
        try:
            bound = admin.server.address
            pipe = isinstance(bound, PipeAddress)
            connector = UnixConnector(path=str(bound)) if pipe else None
            base = "http://admin" if pipe else f"http://{bound}"
            async with ClientSession(connector=connector) as session:
                found = []
                for method, path in requests:
                    async with session.request(method, base + path) as response:
                        found.append((response.status, response.headers.copy(), await response.text()))
                return found
        finally:
            await admin.server.stop()

    return asyncio.run(run())


def get(path: str, admin: Admin | None = None) -> Answer:
    return ask(("GET", path), admin=admin)[0]


def dump(path: str) -> dict[str, Any]:
    status, _, body = get(path)
    assert status == 200, body
    found: dict[str, Any] = json.loads(body)
    return found


def test_ready_follows_the_health_check() -> None:
    answers = ask(
        ("GET", "/ready"), ("POST", "/healthcheck/fail"), ("GET", "/ready"), ("POST", "/healthcheck/ok"), ("GET", "/ready")
    )
    assert [(status, body) for status, _, body in answers] == [
        (200, "LIVE\n"), (200, "OK\n"), (503, "DRAINING\n"), (200, "OK\n"), (200, "LIVE\n"),
    ]  # fmt: skip


def test_answers_carry_envoys_headers() -> None:
    _, headers, _ = get("/ready")
    assert headers["cache-control"] == "no-cache, max-age=0"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["server"] == "envoy"
    assert headers["content-type"] == "text/plain; charset=UTF-8"


def test_what_changes_the_process_is_a_post() -> None:
    admin = Admin(SocketAddress("127.0.0.1", 0))
    answers = ask(("GET", "/quitquitquit"), ("POST", "/quitquitquit"), admin=admin)
    assert answers[0][0] == 405
    assert answers[0][2] == "Method GET not allowed, POST required."
    assert admin.lifecycle.calls == ["quit"]


def test_drain_listeners_passes_its_parameters() -> None:
    admin = Admin(SocketAddress("127.0.0.1", 0))
    ask(("POST", "/drain_listeners?graceful&skip_exit"), ("POST", "/drain_listeners?inboundonly"), admin=admin)
    assert admin.lifecycle.calls == [
        {"graceful": True, "inbound_only": False, "skip_exit": True},
        {"graceful": False, "inbound_only": True, "skip_exit": False},
    ]


def test_an_unknown_path_lists_the_commands() -> None:
    status, _, body = get("/nosuch")
    assert status == 404
    assert body.startswith("invalid path. admin commands are:\n")
    assert "/config_dump" in body


def test_clusters_as_text() -> None:
    lines = get("/clusters")[2].splitlines()
    assert lines[0] == "app::observability_name::app"
    assert "app::default_priority::max_connections::1024" in lines
    assert "app::added_via_api::true" in lines
    assert "app::eds_service_name::eds-app" in lines
    assert "app::127.0.0.1:80::cx_active::1" in lines
    assert "app::127.0.0.1:80::hostname::app.local" in lines
    assert "app::127.0.0.1:80::success_rate::-1" in lines


def test_clusters_as_json() -> None:
    [cluster] = dump("/clusters?format=json")["cluster_statuses"]
    [host] = cluster["host_statuses"]
    assert host["address"] == {"socket_address": {"address": "127.0.0.1", "port_value": 80}}
    assert host["health_status"] == {"eds_health_status": "HEALTHY"}
    assert {"name": "cx_total", "value": "2"} in host["stats"]
    assert {"type": "GAUGE", "value": "1", "name": "cx_active"} in host["stats"]
    assert dump("/clusters?format=json&filter=nothing") == {}


def test_listeners() -> None:
    assert get("/listeners")[2] == "edge::[::1]:8080\nedge::/run/edge.sock\n"
    [status] = dump("/listeners?format=json")["listener_statuses"]
    assert status["additional_local_addresses"] == [{"pipe": {"path": "/run/edge.sock"}}]


def test_config_dump_has_every_section_in_order() -> None:
    kinds = [config["@type"].rpartition(".")[2] for config in dump("/config_dump?include_eds")["configs"]]
    assert kinds == [
        "BootstrapConfigDump", "ClustersConfigDump", "EndpointsConfigDump", "ListenersConfigDump",
        "ScopedRoutesConfigDump", "RoutesConfigDump", "SecretsConfigDump",
    ]  # fmt: skip
    assert "EndpointsConfigDump" not in get("/config_dump")[2]


def test_config_dump_tells_static_active_warming_and_refused() -> None:
    configs = {config["@type"].rpartition(".")[2]: config for config in dump("/config_dump")["configs"]}
    clusters = configs["ClustersConfigDump"]
    assert clusters["static_clusters"][0]["cluster"]["name"] == "fixed"
    [active] = clusters["dynamic_active_clusters"]
    assert (active["version_info"], active["cluster"]["name"]) == ("v1", "app")
    assert active["last_updated"] == "1970-01-01T00:00:02.500Z"
    assert clusters["dynamic_warming_clusters"][0]["version_info"] == "v2"
    [listener] = configs["ListenersConfigDump"]["dynamic_listeners"]
    assert listener["active_state"]["version_info"] == "v7"
    assert listener["warming_state"]["version_info"] == "v9"
    assert listener["error_state"]["details"] == "no such filter"
    assert listener["error_state"]["failed_configuration"]["name"] == "edge"


def test_config_dump_by_resource_mask_and_name() -> None:
    found = dump("/config_dump?resource=dynamic_active_clusters&mask=version_info")["configs"]
    assert found == [{"@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.DynamicCluster", "version_info": "v1"}]
    [only] = dump("/config_dump?mask=static_clusters.cluster.name")["configs"]
    assert only["static_clusters"] == [{"cluster": {"@type": CLUSTER, "name": "fixed"}}]
    assert "dynamic_active_clusters" not in only
    named = dump("/config_dump?name_regex=fix.*")["configs"][1]
    assert "static_clusters" in named
    assert "dynamic_active_clusters" not in named
    assert get("/config_dump?resource=nosuch")[0] == 404


def test_stats_select_and_refresh() -> None:
    admin = Admin(SocketAddress("127.0.0.1", 0))
    admin.stats.counter("cluster.app.upstream_rq_total").inc()
    admin.stats.counter("cluster.app.unused")
    answers = ask(
        ("GET", "/stats?usedonly&filter=^cluster"),
        ("GET", "/stats?filter=["),
        ("GET", "/stats/prometheus?usedonly"),
        ("GET", "/stats?format=nosuch"),
        admin=admin,
    )
    assert answers[0][2] == "cluster.app.upstream_rq_total: 1\n"
    assert answers[1][0] == 400
    assert 'envoy_cluster_upstream_rq_total{envoy_cluster_name="app"} 1' in answers[2][2]
    assert answers[3][0] == 400
    assert admin.refreshed == 3


@pytest.fixture
def _levels_restored() -> Any:
    before = {name: logging.getLogger(name).level for name in (*log.COMPONENTS, "")}
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.usefixtures("_levels_restored")
def test_logging_changes_one_several_or_all() -> None:
    answers = ask(
        ("POST", "/logging?level=error"),
        ("POST", "/logging?upstream=debug"),
        ("POST", "/logging?paths=http:trace,router:info"),
        ("POST", "/logging?nosuch=debug"),
        ("POST", "/logging?level=loud"),
        ("POST", "/logging"),
    )
    assert "  upstream: error\n" in answers[0][2]
    assert "  upstream: debug\n" in answers[1][2]
    assert answers[3][0] == answers[4][0] == 400
    final = answers[5][2]
    assert "  http: trace\n" in final
    assert "  router: info\n" in final
    assert "  admin: error\n" in final


def test_runtime_layers() -> None:
    found = dump("/runtime")
    assert found["layers"] == ["base", "override"]
    assert found["entries"]["a"] == {"layer_values": ["1", "3"], "final_value": "3"}
    assert found["entries"]["b"]["final_value"] == "2"


def test_server_info_names_the_node_and_a_version_in_five_parts() -> None:
    found = dump("/server_info")
    assert len(found["version"].split("/")) == 5
    assert found["state"] == "LIVE"
    assert found["node"]["id"] == "n1"
    assert found["command_line_options"] == {"mode": "Serve"}


def test_a_unix_socket_that_a_dead_process_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert get("/ready", Admin(PipeAddress(str(path), 0o600)))[2] == "LIVE\n"


def test_a_file_that_is_no_socket_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(OSError, match="in use"):
        get("/ready", Admin(PipeAddress(str(path))))
    assert path.read_text() == "data"
