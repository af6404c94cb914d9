"""The admin endpoint: launchers, agents and dashboards read it, so its formats must be Envoy's."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support import bootstraps
from tests.support.admin_client import AdminReply
from tests.support.envoy_process import envoy_process
from tests.support.origin import Origin, in_a_thread
from tests.support.proxy_process import ProxyProcess
from tests.support.subject import subject_process

pytestmark = pytest.mark.differential

READ_PATHS = [
    "/ready",
    "/server_info",
    "/listeners",
    "/listeners?format=json",
    "/clusters",
    "/clusters?format=json",
    "/config_dump",
    "/memory",
    "/certs",
    "/hot_restart_version",
    "/stats",
    "/stats?format=json",
    "/stats?usedonly&filter=edge",
    "/stats/prometheus",
    "/stats?format=prometheus",
]
WRITE_PATHS = ["/logging", "/healthcheck/ok", "/reset_counters", "/quitquitquit", "/drain_listeners", "/healthcheck/fail"]
SAME_TEXT = ["/ready", "/listeners", "/clusters"]
SAME_JSON = ["/listeners?format=json", "/certs"]
# What a proxy says about itself, not about its configuration.
OWN_FIELDS = {
    "user_agent_name",
    "user_agent_build_version",
    "extensions",
    "last_updated",
    "version_info",
    "hidden_envoy_deprecated_build_version",
}
STAT_PREFIXES = ("http.edge.", "cluster.up.", "listener.127.0.0.1_<port>.", "listener_manager.", "cluster_manager.")
# Statistics of features that are not here: load-balancer subsets, HTTP/3 and early data, preconnecting, extension
# discovery of filters, the unified matcher in clusters, and codec counters that Envoy creates with its first HTTP/1 connection.
ABSENT = re.compile(
    r"\.(lb_subsets_\w+|upstream_http3_broken|upstream_cx_connect_with_0_rtt|upstream_rq_0rtt|upstream_cx_preconnect_skipped"
    r"|extension_config_missing|default\.total_match_count|http1\.\w+|connections_accepted_per_socket_event"
    r"|upstream_queue_overloaded|upstream_rq_rx_reset_no_error|workers_pinned)$"
)


@dataclass(frozen=True, slots=True)
class Pair:
    """Both proxies on one configuration, each after one request."""

    envoy: ProxyProcess
    ours: ProxyProcess

    def request(self, path: str, method: str = "GET") -> tuple[AdminReply, AdminReply]:
        return self.envoy.admin.request(path, method), self.ours.admin.request(path, method)

    def texts(self, path: str) -> tuple[str, str]:
        envoy, ours = self.request(path)
        return without_ports(envoy.body), without_ports(ours.body)

    def jsons(self, path: str) -> tuple[Any, Any]:
        envoy, ours = self.texts(path)
        return json.loads(envoy), json.loads(ours)


def without_ports(text: str) -> str:
    text = re.sub(r"(127\.0\.0\.1[:_])\d+", r"\1<port>", text)
    return re.sub(r'("port_value": )\d+', r'\1"<port>"', text)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    directory = tmp_path_factory.mktemp("admin")
    with in_a_thread(Origin("up")) as origin:
        listener = bootstraps.http_listener("edge", [{"match": {"prefix": "/"}, "route": {"cluster": "up"}}])
        bootstrap = bootstraps.static([listener], [bootstraps.static_cluster("up", origin.port)])
        both = Pair(envoy_process(bootstrap, directory / "envoy"), subject_process(bootstrap, directory / "ours"))
        try:
            for proxy in (both.envoy, both.ours):
                proxy.start()
                port = proxy.wait_listeners(["edge"])["edge"]
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as response:
                    assert response.read() == b"up"
            yield both
        finally:
            both.envoy.kill()
            both.ours.kill()


def own_fields_removed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: own_fields_removed(item) for key, item in value.items() if key not in OWN_FIELDS}
    return [own_fields_removed(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("path", [*READ_PATHS, *WRITE_PATHS, "/no_such_path"])
def test_status_and_headers_of_get(pair: Pair, path: str) -> None:
    """Writing needs POST; a monitoring tool must be able to read without changing anything."""
    envoy, ours = pair.request(path)
    assert ours.status == envoy.status
    for header in ("content-type", "cache-control", "x-content-type-options"):
        assert ours.headers.get(header) == envoy.headers.get(header), header


@pytest.mark.parametrize("path", SAME_TEXT)
def test_same_text(pair: Pair, path: str) -> None:
    envoy, ours = pair.texts(path)
    assert ours.splitlines() == envoy.splitlines()


@pytest.mark.parametrize("path", SAME_JSON)
def test_same_json(pair: Pair, path: str) -> None:
    envoy, ours = pair.jsons(path)
    assert ours == envoy


def test_clusters_as_json(pair: Pair) -> None:
    envoy, ours = pair.jsons("/clusters?format=json")
    for document in (envoy, ours):
        for cluster in document["cluster_statuses"]:
            for host in cluster["host_statuses"]:
                host["stats"].sort(key=lambda stat: stat["name"])
    assert ours == envoy


def test_config_dump(pair: Pair) -> None:
    envoy, ours = (own_fields_removed(document)["configs"] for document in pair.jsons("/config_dump"))
    assert [config["@type"] for config in ours] == [config["@type"] for config in envoy]
    for theirs, mine in zip(envoy, ours, strict=True):
        assert mine == theirs, theirs["@type"]


def test_server_info_has_the_same_fields(pair: Pair) -> None:
    envoy, ours = pair.jsons("/server_info")
    assert ours.keys() == envoy.keys()
    assert ours["state"] == envoy["state"] == "LIVE"
    assert ours["command_line_options"].keys() == envoy["command_line_options"].keys()
    assert own_fields_removed(ours["node"]) == own_fields_removed(envoy["node"])


def stat_names(text: str) -> set[str]:
    names = (line.rpartition(": ")[0] for line in text.splitlines())
    return {name for name in names if name.startswith(STAT_PREFIXES)}


def test_statistics_are_named_as_envoys(pair: Pair) -> None:
    envoy, ours = map(stat_names, pair.texts("/stats"))
    absent = {name for name in envoy if ABSENT.search(name)}
    assert sorted(ours - envoy) == [], "names that Envoy does not have"
    assert sorted(envoy - ours - absent) == [], "names that are missing here"
    assert sorted(absent & ours) == [], "no longer absent, take them off the list"


def counted(text: str) -> list[str]:
    """Lines of what is not 0 and does not measure time; a gauge at 0 counts as used in Envoy once it was touched."""
    timed = re.compile(r"(_ms|_time|_length|bytes_\w+): ")
    return [line for line in text.splitlines() if not timed.search(line) and not line.endswith(": 0")]


def test_used_statistics_have_the_same_values(pair: Pair) -> None:
    envoy, ours = pair.texts("/stats?usedonly&filter=(http.edge|cluster.up).*(_rq_|_cx_)")
    assert counted(ours) == counted(envoy)


def prometheus_samples(text: str) -> set[str]:
    """Comments, and names with their labels in order; without values, and without histograms, which appear with a flush."""
    samples = set()
    for line in text.splitlines():
        if not re.search(r"_bucket|_sum|_count\b| histogram$", line):
            name, _, labels = line.rpartition(" ")[0].partition("{") if not line.startswith("#") else (line, "", "")
            samples.add(name + ",".join(sorted(labels.rstrip("}").split(","))))
    return samples


def test_prometheus_names_types_and_labels(pair: Pair) -> None:
    envoy, ours = map(prometheus_samples, pair.texts("/stats/prometheus?filter=http.edge.downstream"))
    assert sorted(ours ^ envoy) == []
