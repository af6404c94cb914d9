"""The TCP proxy over real sockets: what the client gets, what is logged and counted.

The same expectations hold for a real Envoy, where one is installed.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import bootstraps
from tests.support.envoy_process import envoy_process
from tests.support.our_process import our_process
from tests.support.proxy_process import ProxyProcess
from tests.support.tcp_peers import TcpUpstream, connect, echo, read_to_end, reset, reset_after_read
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

FORMAT = (
    "%RESPONSE_FLAGS% rx=%BYTES_RECEIVED% tx=%BYTES_SENT% %UPSTREAM_CLUSTER% %UPSTREAM_REQUEST_ATTEMPT_COUNT% "
    "%ACCESS_LOG_TYPE% %DOWNSTREAM_LOCAL_CLOSE_REASON% %UPSTREAM_TRANSPORT_FAILURE_REASON%\n"
)
LIMITS = {"thresholds": [{"max_connections": 1}]}
SLOW_BYTES = 32 << 20


def pour(connection: socket.socket) -> None:
    """More than any buffer takes."""
    piece = bytes(1 << 16)
    for _ in range(SLOW_BYTES // len(piece)):
        connection.sendall(piece)


def tcp_listener(name: str, directory: Path, **config: Any) -> dict[str, Any]:
    prefix = "type.googleapis.com/envoy.extensions."
    log = {
        "@type": f"{prefix}access_loggers.file.v3.FileAccessLog",
        "path": str(directory / f"{name}.log"),
        "log_format": {"text_format_source": {"inline_string": FORMAT}},
    }
    proxy = {
        "@type": f"{prefix}filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": name,
        "access_log": [{"name": "file", "typed_config": log}],
        **config,
    }
    return {
        "name": name,
        "address": bootstraps.address(),
        "filter_chains": [{"filters": [{"name": "tcp", "typed_config": proxy}]}],
    }


class Subject:
    """A proxy with its listeners' ports and logs."""

    def __init__(self, process: ProxyProcess, directory: Path) -> None:
        self.process = process
        self.directory = directory
        self.ports: dict[str, int] = {}

    def connect(self, name: str) -> socket.socket:
        return connect(self.ports[name])

    def log(self, name: str, lines: int = 1) -> list[str]:
        path = self.directory / f"{name}.log"
        return wait_until(lambda: len(found := path.read_text().splitlines()) >= lines and found, f"{lines} lines of {name}")


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def processes(kind: str) -> Callable[..., ProxyProcess]:
    return our_process if kind == "ours" else envoy_process


@pytest.fixture(scope="module", params=["ours", "envoy"])
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    directory = tmp_path_factory.mktemp("tcp")
    with TcpUpstream(echo) as echoing, TcpUpstream(reset_after_read) as resetting, TcpUpstream(pour) as pouring:
        clusters = [
            bootstraps.static_cluster("echo", echoing.port),
            bootstraps.static_cluster("other", echoing.port),
            bootstraps.static_cluster("limited", echoing.port, circuit_breakers=LIMITS),
            bootstraps.static_cluster("reset", resetting.port),
            bootstraps.static_cluster("pour", pouring.port),
            bootstraps.static_cluster("dead", unused_port()),
            bootstraps.static_cluster("empty"),
        ]
        weights = [{"name": "echo", "weight": 1}, {"name": "other", "weight": 2}]
        configs: dict[str, dict[str, Any]] = {each: {"cluster": each} for each in ("echo", "limited", "reset", "pour", "empty")}
        configs |= {
            "unknown": {"cluster": "nobody"},
            "dead": {"cluster": "dead", "max_connect_attempts": 3},
            "idle": {"cluster": "echo", "idle_timeout": "2s"},
            "short": {"cluster": "echo", "max_downstream_connection_duration": "2s"},
            "weighted": {"weighted_clusters": {"clusters": weights}},
            "talkative": {"cluster": "echo", "access_log_options": {"flush_access_log_on_connected": True}},
        }
        listeners = [tcp_listener(name, directory, **config) for name, config in configs.items()]
        process = processes(request.param)(bootstraps.static(listeners, clusters), directory)
        process.start()
        found = Subject(process, directory)
        found.ports = process.wait_listeners(list(configs))
        yield found
        process.kill()


def test_half_closes_go_both_ways(subject: Subject) -> None:
    with subject.connect("echo") as client:
        client.sendall(b"abc")
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == (b"abcBYE", "fin")
    assert subject.log("echo") == ["- rx=3 tx=6 echo 1 TcpConnectionEnd - -"]
    stats = subject.process.admin.stats("^tcp.echo")
    assert stats["tcp.echo.downstream_cx_total"] == 1
    assert (stats["tcp.echo.downstream_cx_rx_bytes_total"], stats["tcp.echo.downstream_cx_tx_bytes_total"]) == (3, 6)


def test_reset_of_the_upstream_resets_the_client(subject: Subject) -> None:
    with subject.connect("reset") as client:
        client.sendall(b"abc")
        assert read_to_end(client) == (b"", "reset")
    assert subject.log("reset") == ["UR rx=3 tx=0 reset 1 TcpConnectionEnd - -"]


@pytest.mark.parametrize(
    ("listener", "line"),
    [
        ("unknown", "NC rx=0 tx=0 - 0 TcpConnectionEnd tcp_initializion_failure:3 -"),
        ("empty", "UH rx=0 tx=0 empty 0 TcpConnectionEnd tcp_initializion_failure:1 -"),
    ],
)
def test_nobody_to_connect_to(subject: Subject, listener: str, line: str) -> None:
    with subject.connect(listener) as client:
        assert read_to_end(client)[0] == b""
    assert subject.log(listener) == [line]


def test_attempts_end(subject: Subject) -> None:
    with subject.connect("dead") as client:
        assert read_to_end(client)[0] == b""
    (line,) = subject.log("dead")
    flags, _, rest = line.partition(" ")
    assert flags == "UF,URX"
    reason = "delayed_connect_error:_Connection_refused"
    assert rest == f"rx=0 tx=0 dead 3 TcpConnectionEnd tcp_initializion_failure:0 {reason}"
    stats = subject.process.admin.stats("^cluster.dead")
    assert stats["cluster.dead.upstream_cx_connect_fail"] == 3
    assert stats["cluster.dead.upstream_cx_connect_attempts_exceeded"] == 1


def test_connections_are_limited(subject: Subject) -> None:
    with subject.connect("limited") as first:
        first.sendall(b"x")
        assert first.recv(1) == b"x"
        with subject.connect("limited") as second:
            assert read_to_end(second)[0] == b""
    assert "UO rx=0 tx=0 limited 0 TcpConnectionEnd tcp_initializion_failure:2 -" in subject.log("limited")


@pytest.mark.parametrize(
    ("listener", "flags", "reason"),
    [("idle", "-", "tcp_session_idle_timeout"), ("short", "DT", "max_connection_duration_reached")],
)
def test_times_end_a_connection(subject: Subject, listener: str, flags: str, reason: str) -> None:
    with subject.connect(listener) as client:
        client.sendall(b"abc")
        assert read_to_end(client) == (b"abc", "fin")
    assert subject.log(listener) == [f"{flags} rx=3 tx=3 echo 1 TcpConnectionEnd {reason} -"]


def test_log_on_connect(subject: Subject) -> None:
    with subject.connect("talkative") as client:
        assert subject.log("talkative") == ["- rx=0 tx=0 echo 1 TcpUpstreamConnected - -"]
        reset(client)
    assert subject.log("talkative", 2)[1] == "- rx=0 tx=0 echo 1 TcpConnectionEnd - -"


def test_slow_reader_holds_the_upstream_back(subject: Subject) -> None:
    with subject.connect("pour") as client:
        first = len(client.recv(1))
        rest: list[int] = []
        reader = threading.Thread(target=lambda: rest.append(len(read_to_end(client)[0])))
        stats = wait_until(
            lambda: (
                (found := subject.process.admin.stats("cluster.pour.upstream_flow_control_paused"))
                and found["cluster.pour.upstream_flow_control_paused_reading_total"]
                and found
            ),
            "the proxy stops reading",
        )
        assert stats["cluster.pour.upstream_flow_control_paused_reading_total"] >= 1
        reader.start()
        reader.join()
    assert first + rest[0] == SLOW_BYTES


def test_weights_choose_the_cluster(subject: Subject) -> None:
    for _ in range(30):
        with subject.connect("weighted") as client:
            client.shutdown(socket.SHUT_WR)
            assert read_to_end(client) == (b"BYE", "fin")
    chosen = [line.split()[3] for line in subject.log("weighted", 30)]
    assert set(chosen) == {"echo", "other"}
