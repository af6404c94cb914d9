"""Work that is dropped, times that are cut and streams that give up while a resource runs short: what Envoy 1.40 does, too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import bootstraps
from tests.support import h2_frames as frames
from tests.support.pressed_proxy import HELLO, PressedProxy, running, trigger
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

POINT = "envoy.load_shed_points."
ACTION = "envoy.overload_actions."
# Who is asked first has the highest pressure, so that one proxy shows all.
POINTS = {
    "connection_pool_new_connection": 0.2,
    "http_downstream_filter_check": 0.3,
    "http_connection_manager_decode_headers": 0.4,
    "http1_server_abort_dispatch": 0.5,
    "http2_server_go_away_on_dispatch": 0.6,
    "http2_server_go_away_and_close_on_dispatch": 0.7,
    "hcm_ondata_creating_codec": 0.8,
    "tcp_listener_accept": 0.9,
}
ROUTES = [{"match": {"prefix": "/up"}, "route": {"cluster": "up"}}, *HELLO]


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PressedProxy]:
    points = [{"name": POINT + name, "triggers": trigger(threshold={"value": value})} for name, value in POINTS.items()]
    listener = bootstraps.http_listener("edge", ROUTES, delayed_close_timeout="0.1s")
    nobody = bootstraps.static_cluster("up", 1)
    with running(tmp_path_factory.mktemp("shedding"), {"loadshed_points": points}, listener, [nobody]) as running_proxy:
        yield running_proxy


class Growth:
    """By how much statistics have grown since it was made: the proxy serves several tests, in any order."""

    def __init__(self, proxy: PressedProxy) -> None:
        self._proxy = proxy
        self._before = proxy.stats("")

    def of(self, name: str) -> int:
        return self._proxy.stats("").get(name, 0) - self._before.get(name, 0)

    def shed(self, point: str) -> int:
        return self.of(f"overload.{POINT}{point}.shed_load_count")


def test_connections_to_upstreams_are_not_made(proxy: PressedProxy) -> None:
    growth = Growth(proxy)
    proxy.press(0.25)
    with proxy.connect() as connection:
        assert proxy.get(connection).startswith(b"HTTP/1.1 200 ")
        answer = proxy.get(connection, "/up")
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nx-envoy-overloaded: true\r\n" in answer
    assert answer.endswith(b"reset reason: overflow")
    assert growth.of("cluster.up.upstream_cx_total") == 0
    assert growth.shed("connection_pool_new_connection") == 1


def test_requests_are_not_forwarded(proxy: PressedProxy) -> None:
    growth = Growth(proxy)
    proxy.press(0.35)
    with proxy.connect() as connection:
        assert proxy.get(connection).startswith(b"HTTP/1.1 200 ")
        assert proxy.get(connection, "/up").endswith(b"\r\n\r\nenvoy overloaded")
    assert growth.shed("http_downstream_filter_check") == 1
    assert growth.of("http.edge.rq_overload_local_reply") == 1


def test_requests_are_refused(proxy: PressedProxy) -> None:
    growth = Growth(proxy)
    proxy.press(0.45)
    with proxy.connect() as connection:
        for _ in range(2):
            assert proxy.get(connection).endswith(b"\r\n\r\nenvoy overloaded")
    assert growth.shed("http_connection_manager_decode_headers") == 2


def test_requests_are_not_read(proxy: PressedProxy) -> None:
    growth = Growth(proxy)
    proxy.press(0.0)
    with proxy.connect() as before:
        assert proxy.get(before).startswith(b"HTTP/1.1 200 ")
        proxy.press(0.55)
        answer = proxy.get(before)
        assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
        assert b"\r\nconnection: close\r\n" in answer
        assert before.recv(1) == b""
    assert growth.shed("http1_server_abort_dispatch") == 1


def h2_kinds(proxy: PressedProxy) -> list[int]:
    """The kinds of frames that a request is answered with, until the connection ends."""
    received = b""
    with proxy.connect() as connection:
        request = frames.headers(1, frames.request_block(method=b"GET", path=b"/", host=b"a"), True)
        connection.sendall(frames.PREFACE + frames.frame(frames.SETTINGS) + request)
        while data := connection.recv(65536):
            received += data
            if received.endswith(b"overloaded"):
                break
    kinds = []
    while received:
        kinds.append(received[3])
        received = received[9 + int.from_bytes(received[:3], "big") :]
    return kinds


def test_http_2_clients_are_told_to_go(proxy: PressedProxy) -> None:
    proxy.press(0.65)
    kinds = h2_kinds(proxy)
    assert kinds.count(frames.GOAWAY) == 1
    assert kinds.count(frames.HEADERS) == 1
    proxy.press(0.75)
    kinds = h2_kinds(proxy)
    assert kinds.count(frames.GOAWAY) == 2
    assert frames.HEADERS not in kinds


def test_connections_are_closed_before_they_are_read(proxy: PressedProxy) -> None:
    growth = Growth(proxy)
    proxy.press(0.85)
    with proxy.connect() as connection:
        assert proxy.get(connection) == b""
    assert growth.of("http.edge.downstream_rq_overload_close") == 1
    assert growth.shed("hcm_ondata_creating_codec") == 1


def test_connections_are_rejected(proxy: PressedProxy) -> None:
    growth = Growth(proxy)
    proxy.press(0.95)
    with proxy.connect() as connection:
        assert connection.recv(1) == b""
    assert growth.shed("tcp_listener_accept") == 1
    assert growth.of("listener.127.0.0.1_0.downstream_cx_overload_reject") == 1
    proxy.press(0.0)
    assert proxy.status() == 200


def action(name: str, threshold: float, **more: Any) -> dict[str, Any]:
    return {"name": ACTION + name, "triggers": trigger(threshold={"value": threshold}), **more}


LARGE = [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "x" * 4_000}}}]
TIMERS = {
    "@type": "type.googleapis.com/envoy.config.overload.v3.ScaleTimersOverloadActionConfig",
    "timer_scale_factors": [
        {"timer": "HTTP_DOWNSTREAM_CONNECTION_IDLE", "min_timeout": "0.1s"},
        {"timer": "HTTP_DOWNSTREAM_CONNECTION_MAX", "min_scale": {"value": 90}},
    ],
}


def test_streams_give_up_and_idle_connections_end(tmp_path: Path) -> None:
    overload = {
        "actions": [action("reset_high_memory_stream", 0.5), action("reduce_timeouts", 0.7, typed_config=TIMERS)],
        "buffer_factory_config": {"minimum_account_to_track_power_of_two": 10},
    }
    times = {"drain_timeout": "0.1s", "delayed_close_timeout": "0.1s"}
    listener = bootstraps.http_listener("edge", LARGE, common_http_protocol_options={"max_connection_duration": "600s"}, **times)
    with running(tmp_path, overload, listener) as proxy, proxy.connect() as slow, proxy.connect() as idle:
        assert proxy.get(idle).startswith(b"HTTP/1.1 200 ")
        no_window = frames.frame(frames.SETTINGS, 0, 0, b"\0\4\0\0\0\0")
        request = frames.headers(1, frames.request_block(method=b"GET", path=b"/", host=b"a"), True)
        slow.sendall(frames.PREFACE + no_window + request)
        received = b""
        while b":status" not in received and b"\x88" not in received:
            received += slow.recv(65536)
        proxy.press(0.55)
        received = b""
        while frames.reset(1, 2) not in received:
            received += slow.recv(65536)
        count = "envoy.overload_actions.reset_high_memory_stream.count"
        wait_until(lambda: proxy.stats("reset_high").get(count) == 1, "the count of streams")
        proxy.press(0.75)
        while idle.recv(65536):
            pass
        assert proxy.stats("cx_idle_timeout")["http.edge.downstream_cx_idle_timeout"] >= 1
        assert proxy.stats("max_duration")["http.edge.downstream_cx_max_duration_reached"] == 0
