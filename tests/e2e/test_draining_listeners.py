"""What a changed or removed listener does to live connections, here and in a real Envoy: who is asked to go, when, and who is left alone."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import bootstraps
from tests.support.drain_peers import GONE, OK, TOLD, Asking, Http1Peer, Http2Peer, TcpPeer
from tests.support.envoy_process import envoy_process
from tests.support.our_process import our_process
from tests.support.proxy_process import ProxyProcess
from tests.support.tcp_peers import TcpUpstream, echo
from tests.support.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.e2e

PROCESSES = {"ours": our_process, "envoy": envoy_process}
DRAIN_TIME = 3

# Which filter chain a connection gets, by where it comes from.
FIRST, SECOND, TCP, ANYWHERE = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"

Chain = dict[str, Any]


def http(name: str, text: str) -> Chain:
    """text: the answer, of five bytes."""
    routes = [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": text}}}]
    (chain,) = bootstraps.http_listener(name, routes)["filter_chains"]
    return {"name": name, **chain}


def tcp(stat_prefix: str) -> Chain:
    config = {
        "@type": bootstraps.TYPE + "filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": stat_prefix,
        "cluster": "echo",
    }
    return {"name": "tcp", "filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": config}]}


def from_address(address: str, chain: Chain) -> Chain:
    return {"filter_chain_match": {"source_prefix_ranges": [{"address_prefix": address, "prefix_len": 32}]}, **chain}


class World:
    """A proxy that takes its listeners from a file.  names: of listeners that are published, each under a port of its own."""

    def __init__(self, kind: str, directory: Path) -> None:
        self.is_envoy = kind == "envoy"
        self._path = directory / "lds.json"
        self._echo = TcpUpstream(echo)
        self._listeners: dict[str, dict[str, Any]] = {}
        self._peers: list[Asking] = []
        self._write()
        source = {"path_config_source": {"path": str(self._path)}, "resource_api_version": "V3"}
        bootstrap = bootstraps.static([], [bootstraps.static_cluster("echo", self._echo.port)])
        bootstrap["dynamic_resources"] = {"lds_config": source}
        self.proxy: ProxyProcess = PROCESSES[kind](bootstrap, directory, drain_time=DRAIN_TIME)
        self.proxy.start()

    def publish(self, name: str, *, first: str = "hello", tcp_prefix: str = "tcp", default: str = "other", **more: Any) -> None:
        """Returns once the proxy has it."""
        chains = [from_address(FIRST, http("first", first)), from_address(SECOND, http("second", "hello"))]
        self._listeners[name] = {
            "name": name,
            "address": bootstraps.address(self._port(name)),
            "filter_chains": [*chains, from_address(TCP, tcp(tcp_prefix))],
            "default_filter_chain": http("default", default),
            **more,
        }
        self._move_into_place()

    def remove(self, name: str) -> None:
        del self._listeners[name]
        self._move_into_place()

    def _port(self, name: str) -> int:
        """The same for every version of a listener, so that nobody has to listen anew."""
        if name in self._listeners:
            return int(self._listeners[name]["address"]["socket_address"]["port_value"])
        with socket.create_server(("127.0.0.1", 0)) as free:
            return int(free.getsockname()[1])

    def _move_into_place(self) -> None:
        updates = self.stat("listener_manager.lds.update_success")
        self._write()
        wait_until(lambda: self.stat("listener_manager.lds.update_success") > updates, "the update")

    def _write(self) -> None:
        resources = [
            {"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", **each} for each in self._listeners.values()
        ]
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps({"version_info": str(time.monotonic_ns()), "resources": resources}))
        os.rename(new, self._path)

    def stat(self, name: str) -> int:
        return self.proxy.admin.stats().get(name, 0)

    def connect(self, name: str) -> dict[str, Asking]:
        """One connection of each kind to each chain; all are in use."""
        self.proxy.wait_listeners([name])
        port = self._port(name)
        peers: dict[str, Asking] = {
            "first h1": Http1Peer(port, FIRST),
            "first h2": Http2Peer(port, FIRST),
            "second h1": Http1Peer(port, SECOND),
            "second h2": Http2Peer(port, SECOND),
            "tcp": TcpPeer(port, TCP),
            "default h1": Http1Peer(port, ANYWHERE),
            "default h2": Http2Peer(port, ANYWHERE),
        }
        self._peers += peers.values()
        assert asked(peers) == dict.fromkeys(peers, OK)
        return peers

    def many(self, name: str, count: int) -> list[Http1Peer]:
        self.proxy.wait_listeners([name])
        peers = [Http1Peer(self._port(name), FIRST) for _ in range(count)]
        self._peers += peers
        assert {peer.ask() for peer in peers} == {OK}
        return peers

    def is_refused(self, name: str, port: int) -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
        except ConnectionRefusedError:
            return True
        return False

    def close(self) -> None:
        for peer in self._peers:
            peer.close()
        self.proxy.kill()
        self._echo.close()


def asked(peers: dict[str, Asking]) -> dict[str, str]:
    return {name: peer.ask() for name, peer in peers.items()}


def follow(peers: dict[str, Asking], leaving: set[str]) -> tuple[dict[str, str], float]:
    """Ask everybody again and again until those who leave are gone.  Returns the last answer before that, and when the last one went."""
    started = time.monotonic()
    last = dict.fromkeys(peers, OK)

    def over() -> bool:
        for name, peer in peers.items():
            if last[name] != GONE:
                answer = peer.ask()
                told[name] = told[name] or answer == TOLD
                last[name] = answer
        return all(last[name] == GONE for name in leaving)

    told = dict.fromkeys(peers, False)
    wait_until(over, f"{leaving} are gone, {last}")
    assert {name for name, answer in last.items() if answer == GONE} == leaving
    return {name: TOLD if told[name] else OK for name in peers}, time.monotonic() - started


@pytest.fixture(scope="module", params=list(PROCESSES))
def shared_world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(request.param, tmp_path_factory.mktemp(request.param))
    yield world
    world.close()


@pytest.fixture
def world(shared_world: World) -> World:
    """One in which nothing of another test drains any more."""
    kinds = ("listeners", "filter_chains")
    drains = [f"listener_manager.total_{kind}_draining" for kind in kinds]
    wait_until(lambda: not any(shared_world.stat(drain) for drain in drains), "earlier drains are over")
    return shared_world


def test_only_the_connections_of_changed_chains_end(world: World) -> None:
    """HTTP is told before the end; TCP has no word for it, and ends with the drain time."""
    world.publish("changed")
    peers = world.connect("changed")
    created = world.stat("listener_manager.listener_create_success")
    world.publish("changed", first="olleh", tcp_prefix="other")
    assert world.stat("listener_manager.listener_create_success") == created + 1
    assert world.stat("listener_manager.total_filter_chains_draining") == 2
    told, seconds = follow(peers, {"first h1", "first h2", "tcp"})
    assert told == {name: TOLD if name.startswith("first") else OK for name in peers}
    assert DRAIN_TIME - 0.5 < seconds < DRAIN_TIME + 2
    assert world.stat("listener_manager.total_filter_chains_draining") == 0


def test_a_changed_default_chain_ends_its_own_connections(world: World) -> None:
    world.publish("default")
    peers = world.connect("default")
    world.publish("default", default="rehto")
    told, _ = follow(peers, {"default h1", "default h2"})
    assert told == {name: TOLD if name.startswith("default") else OK for name in peers}


def test_an_update_that_means_the_same_ends_nothing(world: World) -> None:
    metadata = {"filter_metadata": {"one": {"x": 1}, "two": {"y": 2, "z": 3}}}
    turned = {"filter_metadata": {"two": {"z": 3, "y": 2}, "one": {"x": 1}}}
    world.publish("same", metadata=metadata)
    peers = world.connect("same")
    modified = world.stat("listener_manager.listener_modified")
    world.publish("same", metadata=turned)
    assert world.stat("listener_manager.listener_modified") == modified
    assert world.stat("listener_manager.total_filter_chains_draining") == 0
    assert world.stat("listener_manager.total_listeners_draining") == 0
    assert asked(peers) == dict.fromkeys(peers, OK)


def test_a_listener_that_changes_beside_its_chains(world: World) -> None:
    """Envoy differs: it ends every connection of the listener."""
    world.publish("field")
    peers = world.connect("field")
    world.publish("field", per_connection_buffer_limit_bytes=5000)
    if world.is_envoy:
        assert world.stat("listener_manager.total_listeners_draining") == 1
        follow(peers, set(peers))
    else:
        assert world.stat("listener_manager.total_filter_chains_draining") == 0
        assert world.stat("listener_manager.total_listeners_draining") == 0
        assert asked(peers) == dict.fromkeys(peers, OK)


def test_a_removed_listener_ends_all_and_accepts_no_more(world: World) -> None:
    world.publish("removed")
    peers = world.connect("removed")
    port = world.proxy.admin.listener_ports()["removed"]
    world.remove("removed")
    wait_until(lambda: world.is_refused("removed", port), "nobody listens")
    assert world.stat("listener_manager.total_listeners_draining") == 1
    told, seconds = follow(peers, set(peers))
    assert told == {name: OK if name == "tcp" else TOLD for name in peers}
    assert DRAIN_TIME - 0.5 < seconds < DRAIN_TIME + 2
    wait_until(lambda: world.stat("listener_manager.total_listeners_draining") == 0, "the drain is over")


def test_connections_are_asked_spread_over_the_drain_time(world: World) -> None:
    """Each is asked once, at its own moment; Envoy's chance grows by whole seconds."""
    world.publish("many")
    peers = world.many("many", 240)
    world.publish("many", first="olleh")
    started = time.monotonic()
    answers: list[list[str]] = [[], [], []]
    for number, peer in enumerate(peers):
        due = started + number * (DRAIN_TIME - 0.2) / len(peers)
        wait_until(lambda due=due: time.monotonic() >= due, "its moment")  # type: ignore[misc]  # bound now
        third = min(int((time.monotonic() - started) * 3 / DRAIN_TIME), 2)
        answers[third].append(peer.ask())
    asked_to_go = [third.count(TOLD) / len(third) for third in answers]
    assert asked_to_go[0] < 0.45
    assert 0.2 < asked_to_go[1] < 0.8
    assert asked_to_go[2] > 0.6
    assert not any(GONE in third for third in answers)
