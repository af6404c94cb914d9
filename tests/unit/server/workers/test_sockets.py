"""Sockets that the main process keeps for its workers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping

import pytest

from dataplane.base.address import Address, PipeAddress, SocketAddress
from dataplane.observe.stats import StatsStore
from dataplane.server.workers.board import Board, Key
from dataplane.server.workers.messages import Drain
from dataplane.server.workers.sockets import KeptSockets, share_of
from dataplane.snapshot.listener import Listener
from dataplane.snapshot.snapshot import EMPTY, Snapshot

ANY = SocketAddress("127.0.0.1", 0)


class Crew:
    """Those who accept, as far as the sockets ask."""

    def __init__(self) -> None:
        self.connections = 0
        self.closed = False
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


class World:
    """Sockets for two workers."""

    def __init__(self) -> None:
        self.board = Board()
        self.crew = Crew()
        self.store = StatsStore()
        self.kept = KeptSockets(2, self.board, self.crew, self.store)
        self.current = EMPTY

    def apply(self, *listeners: Listener) -> dict[str, OSError]:
        """As configuration.Configuration does."""
        wanted: Mapping[str, Listener] = {listener.name: listener for listener in listeners}
        failed = self.kept.bind({name: new for name, new in wanted.items() if self.current.listeners.get(name) is not new})
        following = Snapshot(self.current.generation + 1, wanted, {}, {}, {})
        asyncio.run(self.kept.apply(self.current, following))
        self.current = following
        return failed

    def shares(self, name: str, address: Address = ANY) -> tuple[socket.socket, ...]:
        shares = self.board.facts[Key("socket", name, address=address)]
        assert isinstance(shares, tuple)
        return shares

    def ports(self, name: str, address: Address = ANY) -> list[int]:
        return [share.getsockname()[1] for share in self.shares(name, address)]


def listener(name: str = "edge", address: Address = ANY, *, reuse_port: bool = True, traffic_direction: int = 0) -> Listener:
    return Listener(name, address, (), reuse_port=reuse_port, traffic_direction=traffic_direction)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(autouse=True)
def _closed(world: World) -> object:
    yield
    world.kept.stop()


def test_every_worker_has_a_socket_on_the_same_port(world: World) -> None:
    assert not world.apply(listener())
    first, second = world.ports("edge")
    assert first == second != 0
    assert [status.addresses for status in world.kept.status] == [(SocketAddress("127.0.0.1", first),)]
    assert world.store.counters["listener_manager.listener_create_success"].value == 2
    assert world.store.counters["listener_manager.listener_added"].value == 1
    assert [address.text for address, _ in world.kept.sockets] == [f"127.0.0.1:{first}"] * 2


def test_without_reuse_port_all_share_one(world: World) -> None:
    world.apply(listener(reuse_port=False))
    assert len(world.shares("edge")) == 1


def test_each_socket_is_somebody_s_and_nobody_is_without() -> None:
    with socket.socket() as one, socket.socket() as two, socket.socket() as three:
        every = (one, two, three)
        assert [share_of(every, worker, 2) for worker in (0, 1)] == [(one, three), (two,)]
        assert [share_of((one,), worker, 3) for worker in (0, 1, 2)] == [(one,)] * 3


def test_a_unix_socket_is_shared(world: World) -> None:
    address = PipeAddress("@pointsman-test-kept-sockets")
    world.apply(listener(address=address))
    assert len(world.shares("edge", address)) == 1


def test_a_change_of_filter_chains_keeps_the_sockets(world: World) -> None:
    world.apply(listener())
    before = world.shares("edge")
    world.apply(listener())
    assert world.shares("edge") is before
    assert world.store.counters["listener_manager.listener_in_place_updated"].value == 1


def test_another_address_brings_other_sockets_and_closes_the_old(world: World) -> None:
    world.apply(listener())
    before = world.shares("edge")
    address = SocketAddress("127.0.0.2", 0)
    world.apply(listener(address=address))
    assert all(share.fileno() == -1 for share in before)
    assert Key("socket", "edge", address=ANY) not in world.board.facts
    assert len(world.shares("edge", address)) == 2


def test_a_removed_listener_closes_its_sockets(world: World) -> None:
    world.apply(listener())
    before = world.shares("edge")
    world.apply()
    assert all(share.fileno() == -1 for share in before)
    assert not world.board.facts
    assert not world.kept.status


def test_an_address_that_is_taken_is_reported_and_leaves_nothing_open(world: World) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        failed = world.apply(listener(address=SocketAddress("127.0.0.1", taken.getsockname()[1])))
    assert list(failed) == ["edge"]
    assert not world.kept.sockets
    assert world.store.counters["listener_manager.listener_create_failure"].value == 1


def test_after_the_end_of_accepting_nothing_is_bound(world: World) -> None:
    world.apply(listener())
    world.crew.connections = 3
    bound = [status.addresses for status in world.kept.status]
    world.kept.start_draining(5.0, True)
    world.kept.stop_accepting()
    assert [status.addresses for status in world.kept.status] == bound
    assert world.board.facts[Key("drain")] == Drain(asked=True, seconds=5.0, gradual=True, closed=True)
    assert world.crew.woken == 2
    assert not world.apply(listener(), listener("late"))
    assert not world.kept.sockets


def test_the_workers_are_told_once_that_idle_connections_go(world: World) -> None:
    world.kept.close_idle()
    world.kept.close_idle()
    assert world.board.facts[Key("drain")] == Drain(ending=True)
    assert world.crew.woken == 1


def test_connections_are_asked_anew_where_the_request_differs() -> None:
    gradual = Drain(asked=True, seconds=600.0, gradual=True)
    assert gradual.request == Drain(asked=True, seconds=600.0, gradual=True, closed=True, ending=True).request
    assert gradual.request != Drain(asked=True, seconds=0.0, gradual=False).request


def test_only_inbound_listeners_end_where_only_they_are_meant(world: World) -> None:
    world.apply(listener("in", traffic_direction=1), listener("out", SocketAddress("127.0.0.2", 0), traffic_direction=2))
    world.kept.stop_accepting(inbound_only=True)
    assert [sock.getsockname()[0] for _, sock in world.kept.sockets] == ["127.0.0.2"] * 2


def test_until_the_workers_have_stopped_there_may_be_one_more_connection(world: World) -> None:
    world.apply(listener())
    assert world.kept.connections == 0
    world.kept.stop_accepting()
    assert world.kept.connections == 1
    world.crew.closed = True
    assert world.kept.connections == 0
