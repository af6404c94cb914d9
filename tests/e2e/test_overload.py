"""A proxy whose resources run short: what it refuses, and that it recovers.  The pressure is written into a file."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import bootstraps
from tests.support.proxy_process import ProxyProcess
from tests.support.subject import subject_process
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

MONITORS = bootstraps.TYPE + "resource_monitors."
INJECTED = "envoy.resource_monitors.injected_resource"
HEAP = "envoy.resource_monitors.fixed_heap"
ACTION = "envoy.overload_actions."
HELLO = [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hello"}}}]


class Proxy:
    """One that runs, with its port and its pressure."""

    def __init__(self, process: ProxyProcess, port: int, pressure: Callable[[object], None]) -> None:
        self.process = process
        self.port = port
        self._write = pressure

    def press(self, pressure: float) -> None:
        """Returns when it was measured."""
        self._write(pressure)
        name = f"overload.{INJECTED}.pressure"
        wait_until(lambda: self.stats(name).get(name) == round(pressure * 100), f"a pressure of {pressure}")

    def stats(self, pattern: str) -> dict[str, int]:
        return self.process.admin.stats(pattern)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)

    def get(self, connection: socket.socket) -> bytes:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        return connection.recv(65536)

    def status(self) -> int:
        with self.connect() as connection:
            return int(self.get(connection)[9:12])


@contextmanager
def running(directory: Path, action: str, trigger: dict[str, Any]) -> Iterator[Proxy]:
    file = directory / "pressure"

    def write(pressure: object) -> None:
        fresh = directory / "pressure.new"
        fresh.write_text(str(pressure))
        fresh.rename(file)

    write(0)
    injected = {"@type": f"{MONITORS}injected_resource.v3.InjectedResourceConfig", "filename": str(file)}
    heap = {"@type": f"{MONITORS}fixed_heap.v3.FixedHeapConfig", "max_heap_size_bytes": 1 << 40}
    bootstrap = bootstraps.static([bootstraps.http_listener("edge", HELLO)], [])
    bootstrap["overload_manager"] = {
        "refresh_interval": "0.05s",
        "resource_monitors": [{"name": INJECTED, "typed_config": injected}, {"name": HEAP, "typed_config": heap}],
        "actions": [{"name": ACTION + action, "triggers": [{"name": INJECTED, **trigger}]}],
    }
    process = subject_process(bootstrap, directory / "proxy")
    process.start()
    try:
        yield Proxy(process, process.wait_listeners(["edge"])["edge"], write)
    finally:
        process.stop()


FROM_90 = {"threshold": {"value": 0.9}}


def test_requests_are_refused_and_their_connections_kept(tmp_path: Path) -> None:
    with running(tmp_path, "stop_accepting_requests", FROM_90) as proxy, proxy.connect() as connection:
        proxy.press(0.95)
        for _ in range(2):
            answer = proxy.get(connection)
            assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            assert answer.endswith(b"\r\n\r\nenvoy overloaded")
        shown = proxy.stats("overload")
        assert shown["http.edge.downstream_rq_overload_close"] == 2
        assert shown[f"overload.{ACTION}stop_accepting_requests.active"] == 1
        assert shown[f"overload.{ACTION}stop_accepting_requests.scale_percent"] == 100
        assert shown[f"overload.{HEAP}.pressure"] == 0
        proxy.press(0.5)
        assert proxy.get(connection).startswith(b"HTTP/1.1 200")


def test_a_scaled_trigger_refuses_some(tmp_path: Path) -> None:
    scaled = {"scaled": {"scaling_threshold": 0.5, "saturation_threshold": 1.0}}
    with running(tmp_path, "stop_accepting_requests", scaled) as proxy:
        proxy.press(0.75)
        statuses = [proxy.status() for _ in range(100)]
        assert 20 < statuses.count(503) < 80
        assert statuses.count(200) + statuses.count(503) == 100
        assert proxy.stats("scale_percent")[f"overload.{ACTION}stop_accepting_requests.scale_percent"] == 50


def test_connections_are_asked_to_end(tmp_path: Path) -> None:
    with running(tmp_path, "disable_http_keepalive", FROM_90) as proxy, proxy.connect() as before:
        assert b"connection: close" not in proxy.get(before)
        proxy.press(0.95)
        assert b"\r\nconnection: close\r\n" in proxy.get(before)
        with proxy.connect() as fresh:
            assert b"\r\nconnection: close\r\n" in proxy.get(fresh)
        assert proxy.stats("disable_keepalive")["http.edge.downstream_cx_overload_disable_keepalive"] == 2
        proxy.press(0.1)
        with proxy.connect() as fresh:
            assert b"connection: close" not in proxy.get(fresh)


def test_connections_wait_to_be_accepted(tmp_path: Path) -> None:
    with running(tmp_path, "stop_accepting_connections", FROM_90) as proxy, proxy.connect() as before:
        assert proxy.get(before).startswith(b"HTTP/1.1 200")
        proxy.press(0.95)
        wait_until(lambda: proxy.stats("active").get(f"overload.{ACTION}stop_accepting_connections.active") == 1, "the action")
        assert proxy.get(before).startswith(b"HTTP/1.1 200")
        with proxy.connect() as waiting:
            waiting.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            assert proxy.get(before).startswith(b"HTTP/1.1 200")
            assert proxy.stats("downstream_cx_active")["http.edge.downstream_cx_active"] == 1
            proxy.press(0.1)
            assert waiting.recv(65536).startswith(b"HTTP/1.1 200")


def test_connections_are_closed_when_they_come(tmp_path: Path) -> None:
    with running(tmp_path, "reject_incoming_connections", FROM_90) as proxy, proxy.connect() as before:
        assert proxy.get(before).startswith(b"HTTP/1.1 200")
        proxy.press(0.95)
        with proxy.connect() as rejected:
            assert rejected.recv(1) == b""
        assert proxy.get(before).startswith(b"HTTP/1.1 200")
        assert proxy.stats("overload_reject")["listener.127.0.0.1_0.downstream_cx_overload_reject"] == 1


def test_what_cannot_be_measured_keeps_its_last_pressure(tmp_path: Path) -> None:
    with running(tmp_path, "stop_accepting_requests", FROM_90) as proxy:
        proxy.press(0.95)
        (tmp_path / "pressure.new").write_text("much")
        (tmp_path / "pressure.new").rename(tmp_path / "pressure")
        failed = f"overload.{INJECTED}.failed_updates"
        wait_until(lambda: proxy.stats("failed_updates")[failed] > 0, "a failed update")
        assert proxy.status() == 503
