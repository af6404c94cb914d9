"""A proxy whose resources run short: what it refuses, and that it recovers.  The pressure is written into a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import pressed_proxy
from tests.support.pressed_proxy import HEAP, INJECTED, PressedProxy
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

ACTION = "envoy.overload_actions."


@contextmanager
def running(directory: Path, action: str, trigger: dict[str, Any]) -> Iterator[PressedProxy]:
    actions = [{"name": ACTION + action, "triggers": pressed_proxy.trigger(**trigger)}]
    with pressed_proxy.running(directory, {"actions": actions}) as proxy:
        yield proxy


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
            assert pressed_proxy.read_answer(waiting).startswith(b"HTTP/1.1 200")


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
