"""Draining by the admin endpoint: who is asked to end, when, and who accepts until when.

The same expectations hold for a real Envoy, where one is installed.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import bootstraps
from tests.support.drain_peers import OK, TOLD, Http1Peer, Http2Peer
from tests.support.envoy_process import envoy_process
from tests.support.our_process import our_process
from tests.support.proxy_process import ProxyProcess
from tests.support.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.e2e

PROCESSES = {"ours": our_process, "envoy": envoy_process}
HELLO = [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hello"}}}]
LISTENERS = {
    "default": {},
    "modify only": {"drain_type": "MODIFY_ONLY"},
    "inbound": {"traffic_direction": "INBOUND"},
    "outbound": {"traffic_direction": "OUTBOUND"},
}
REFUSED = "refused"


@pytest.fixture(params=list(PROCESSES))
def proxy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ProxyProcess]:
    """Its drain time is one second."""
    listeners = [{**bootstraps.http_listener(name, HELLO), **more} for name, more in LISTENERS.items()]
    process = PROCESSES[request.param](bootstraps.static(listeners, []), tmp_path)
    process.start()
    yield process
    process.kill()


class Clients:
    """A connection to each listener."""

    def __init__(self, ports: dict[str, int]) -> None:
        self._connections = {
            name: http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE) for name, port in ports.items()
        }

    def __enter__(self) -> Clients:
        return self

    def __exit__(self, *exc: object) -> None:
        for connection in self._connections.values():
            connection.close()

    def ask(self) -> dict[str, str | None]:
        """By listener, what the answer says about its connection."""
        return {name: self._ask(connection) for name, connection in self._connections.items()}

    def _ask(self, connection: http.client.HTTPConnection) -> str | None:
        try:
            connection.request("GET", "/")
            response = connection.getresponse()
            response.read()
        except ConnectionRefusedError:
            return REFUSED
        return response.getheader("connection")


def ask_anew(there: dict[str, int]) -> dict[str, str | None]:
    """The same over new connections."""
    with Clients(there) as clients:
        return clients.ask()


def ports(proxy: ProxyProcess) -> dict[str, int]:
    return proxy.wait_listeners(list(LISTENERS))


def post(proxy: ProxyProcess, path: str) -> None:
    reply = proxy.admin.request(path, "POST")
    assert (reply.status, reply.body) == (200, "OK\n")


def all_but(value: str, spared: str) -> dict[str, str | None]:
    return {name: None if name == spared else value for name in LISTENERS}


def test_a_failed_health_check_ends_connections_and_may_be_taken_back(proxy: ProxyProcess) -> None:
    there = ports(proxy)
    with Clients(there) as clients:
        assert clients.ask() == dict.fromkeys(LISTENERS)
        post(proxy, "/healthcheck/fail")
        assert clients.ask() == ask_anew(there) == all_but("close", "modify only")
        assert proxy.admin.request("/ready").status == 503
        post(proxy, "/healthcheck/ok")
        assert clients.ask() == dict.fromkeys(LISTENERS)
        assert proxy.admin.request("/ready").status == 200


def test_listeners_that_stop_at_once_leave_connections_alone(proxy: ProxyProcess) -> None:
    there = ports(proxy)
    with Clients(there) as clients:
        clients.ask()
        post(proxy, "/drain_listeners")
        wait_until(lambda: ask_anew(there) == dict.fromkeys(LISTENERS, REFUSED), "every listener is closed")
        assert clients.ask() == dict.fromkeys(LISTENERS)
    assert proxy.admin.request("/ready").status == 200


def test_only_inbound_listeners(proxy: ProxyProcess) -> None:
    there = ports(proxy)
    post(proxy, "/drain_listeners?inboundonly")
    expected = {name: REFUSED if name == "inbound" else None for name in LISTENERS}
    wait_until(lambda: ask_anew(there) == expected, "one listener is closed")


def test_a_graceful_drain_accepts_until_its_time_is_over(proxy: ProxyProcess) -> None:
    there = ports(proxy)
    post(proxy, "/drain_listeners?graceful")
    assert REFUSED not in ask_anew(there).values()
    post(proxy, "/drain_listeners?graceful&skip_exit")  # too late to ask for something else
    wait_until(lambda: ask_anew(there) == dict.fromkeys(LISTENERS, REFUSED), "every listener is closed")


def test_a_drain_that_skips_the_exit_accepts_for_ever(proxy: ProxyProcess) -> None:
    there = ports(proxy)
    post(proxy, "/drain_listeners?graceful&skip_exit")
    wait_until(lambda: ask_anew(there) == dict.fromkeys(LISTENERS, "close"), "every answer says close")
    assert proxy.admin.stats("^listener_manager.listener_stopped")["listener_manager.listener_stopped"] == 0


def test_http2_clients_are_told_by_goaway_and_idle_connections_survive_a_graceful_drain(proxy: ProxyProcess) -> None:
    there = ports(proxy)
    peers = Http1Peer(there["default"]), Http2Peer(there["default"])
    try:
        assert [peer.ask() for peer in peers] == [OK, OK]
        post(proxy, "/drain_listeners?graceful")
        assert proxy.admin.get_json("/server_info")["state"] == "LIVE"
        wait_until(lambda: ask_anew(there) == dict.fromkeys(LISTENERS, REFUSED), "every listener is closed")
        assert [peer.ask() for peer in peers] == [TOLD, TOLD]
        stats = proxy.admin.stats("downstream_cx_drain_close|listener_stopped")
        assert stats["http.default.downstream_cx_drain_close"] >= 2
        assert stats["listener_manager.listener_stopped"] == len(LISTENERS)
    finally:
        for peer in peers:
            peer.close()


def test_a_failed_health_check_is_a_state_of_its_own(proxy: ProxyProcess) -> None:
    there = ports(proxy)
    peer = Http2Peer(there["default"])
    try:
        assert peer.ask() == OK
        post(proxy, "/healthcheck/fail")
        assert proxy.admin.get_json("/server_info")["state"] == "DRAINING"
        assert proxy.admin.stats("^server\\.")["server.live"] == 0
        assert peer.ask() == TOLD
        post(proxy, "/healthcheck/ok")
        assert proxy.admin.get_json("/server_info")["state"] == "LIVE"
        assert proxy.admin.stats("^server\\.")["server.live"] == 1
    finally:
        peer.close()
