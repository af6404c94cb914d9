"""Connections beyond a limit are turned away before anything behind the filter hears of them."""

from __future__ import annotations

from typing import Any

from dataplane.listener.read_filters import create_filter
from tests.support.engine import Client, Engine
from tests.support.http_filters import compiled_extension

LIMIT = "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit"


class Terminal:
    """Remembers its connections and what reaches it."""

    half_close = False

    def __init__(self) -> None:
        self.connections = 0
        self.seen: list[bytes] = []

    def create(self, connection: object) -> Terminal:
        self.connections += 1
        return self

    def on_data(self, data: bytes) -> None:
        self.seen.append(data)

    def on_close(self, error: str) -> None: ...


class World:
    def __init__(self, **content: Any) -> None:
        self.engine = Engine()
        self.terminal = Terminal()
        config = {"stat_prefix": "edge", "max_connections": 1, **content}
        self.limit = compiled_extension("envoy.filters.network", LIMIT, config)

    def connect(self) -> Client:
        client = self.engine.connect()
        client.connection.filter = create_filter((self.limit, self.terminal), client.connection)
        return client

    def stats(self) -> tuple[int, int]:
        store = self.engine.stats
        active = store.gauges["connection_limit.edge.active_connections"].value
        return int(active), self.engine.counter("connection_limit.edge.limited_connections")


def test_the_second_is_closed_and_a_place_becomes_free_again() -> None:
    world = World()
    first = world.connect()
    second = world.connect()
    assert second.closed
    assert second.connection.local_close_reason == "over_connection_limit"
    assert (world.terminal.connections, world.stats()) == (1, (1, 1))
    first.send(b"on it goes")
    assert world.terminal.seen == [b"on it goes"]
    first.transport.close()
    assert world.stats() == (0, 1)
    assert not world.connect().closed


def test_with_a_delay_nothing_is_read_meanwhile() -> None:
    world = World(max_connections=0, delay="2s")
    client = world.connect()
    client.send(b"unheard")
    assert not client.closed
    world.engine.loop.advance(2.1)
    assert client.closed
    assert (world.terminal.connections, world.terminal.seen, world.stats()) == (0, [], (0, 1))


def test_who_leaves_before_the_delay_is_over_is_forgotten() -> None:
    world = World(max_connections=0, delay="2s")
    world.connect().transport.close()
    world.engine.loop.advance(3)
    assert world.stats() == (0, 1)


def test_switched_off() -> None:
    world = World(max_connections=0, runtime_enabled={"default_value": False, "runtime_key": "limit"})
    client = world.connect()
    client.transport.close()
    assert (world.terminal.connections, world.stats()) == (1, (0, 0))
