"""The log of ejections, ours beside Envoy's."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.support import bootstraps
from tests.support.envoy_process import envoy_process
from tests.support.our_process import our_process
from tests.support.tcp_peers import ThreadedPeer
from tests.support.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.e2e

REQUEST = b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"
DETECTION = {
    "consecutive_5xx": 2,
    "consecutive_gateway_failure": 1,
    "enforcing_consecutive_gateway_failure": 0,
    "interval": "0.1s",
    "base_ejection_time": "0.1s",
    "max_ejection_percent": 100,
}


class Overloaded(ThreadedPeer):
    """Every answer is 503."""

    def serve(self, connection: socket.socket) -> None:
        while connection.recv(65536):
            connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")


@pytest.mark.parametrize("subject", ["ours", "envoy"])
def test_who_is_ejected_and_taken_back_is_written_down(subject: str, tmp_path: Path) -> None:
    host, log = Overloaded(), tmp_path / "events"
    listener = bootstraps.http_listener("edge", [{"match": {"prefix": "/"}, "route": {"cluster": "app"}}])
    cluster = bootstraps.static_cluster("app", host.port, outlier_detection=DETECTION)
    bootstrap = bootstraps.static([listener], [cluster])
    bootstrap["cluster_manager"] = {"outlier_detection": {"event_log_path": str(log)}}
    process = (our_process if subject == "ours" else envoy_process)(bootstrap, tmp_path)
    process.start()
    try:
        port = process.wait_listeners(["edge"])["edge"]
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            for _ in range(2):
                client.sendall(REQUEST)
                assert client.recv(65536).startswith(b"HTTP/1.1 503 ")
        events = wait_until(lambda: written(log, 4), "four events")
    finally:
        process.stop()
        host.close()
    address = f"127.0.0.1:{host.port}"
    gateway = event(address, "CONSECUTIVE_GATEWAY_FAILURE", "EJECT", 0, enforced=False) | {"eject_consecutive_event": {}}
    ejected = event(address, "CONSECUTIVE_5XX", "EJECT", 1, enforced=True) | {"eject_consecutive_event": {}}
    taken_back = event(address, "CONSECUTIVE_5XX", "UNEJECT", 1, enforced=False)
    assert [list(each.items()) for each in events] == [list(each.items()) for each in (gateway, gateway, ejected, taken_back)]


def written(log: Path, many: int) -> list[dict[str, Any]]:
    """The first *many* events, once they are all there; nothing of when they were."""
    lines = log.read_bytes().splitlines(keepends=True)[:many]
    if len(lines) < many or not lines[-1].endswith(b"\n"):
        return []
    events = [json.loads(line) for line in lines]
    for each in events:
        assert each.pop("timestamp")
        since = each.pop("secs_since_last_action", None)
        assert (since is not None) is (each["action"] == "UNEJECT")
    return events


def event(address: str, kind: str, action: str, ejections: int, *, enforced: bool) -> dict[str, Any]:
    known = {"type": kind, "cluster_name": "app", "upstream_url": address, "action": action}
    return known | {"num_ejections": ejections, "enforced": enforced}
