"""Who waits while the first handshake decides what a host speaks, and what becomes of them."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from dataplane.api.upstream import PoolFailure
from dataplane.base.address import SocketAddress
from dataplane.observe.stats import StatsStore
from dataplane.resilience.circuit import Breakers
from dataplane.upstream.connector import Dialled
from dataplane.upstream.host import UpstreamHost
from dataplane.upstream.pool_auto import AutoPool, HandedOver, Outcome


class Transport:
    def __init__(self, alpn: str) -> None:
        self.alpn = alpn
        self.above: Any = None
        self.aborted = False

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


class Dial:
    cancelled = False

    def connected(self) -> None:
        """The deadline is off."""

    def cancel(self) -> None:
        self.cancelled = True


class Connector:
    """Remembers who wants a connection."""

    def __init__(self) -> None:
        self.dials: list[tuple[Any, Dial]] = []

    def connect(self, address: Any, protocol: Dialled) -> Dial:
        self.dials.append((protocol, Dial()))
        return self.dials[-1][1]

    def tune(self, transport: Any) -> None:
        """Nothing to set."""


class Chosen:
    """A pool of one protocol."""

    def __init__(self, protocol: str, outcome: Outcome) -> None:
        self.protocol = protocol
        self.outcome = outcome
        self.receivers: list[object] = []
        self.draining = self.unused = self.closed = False
        self.cancelled = 0

    def new_stream(self, receiver: object) -> Any:
        self.receivers.append(receiver)
        return self

    def cancel(self) -> None:
        self.cancelled += 1

    def drain(self) -> None:
        self.draining = True

    def close(self) -> None:
        self.closed = True


class Receiver:
    def __init__(self) -> None:
        self.failures: list[PoolFailure] = []

    def on_pool_failure(self, reason: PoolFailure, details: str, host: object) -> None:
        self.failures.append(reason)


class World:
    def __init__(self, most_pending: int = 10) -> None:
        self.connector = Connector()
        self.chosen: list[Chosen] = []
        self.empty = 0
        self.breakers = Breakers(StatsStore().scope(""), 10, most_pending, 10, 0)
        host = UpstreamHost(SocketAddress("10.0.0.1", 443))
        self.pool = AutoPool(host, cast(Any, self.connector), self.breakers, cast(Any, self.choose), self.on_empty)

    def choose(self, protocol: str, outcome: Outcome, on_empty: object) -> Chosen:
        self.chosen.append(Chosen(protocol, outcome))
        return self.chosen[-1]

    def on_empty(self, pool: AutoPool) -> None:
        self.empty += 1

    def ask(self) -> tuple[Receiver, Any]:
        receiver = Receiver()
        return receiver, self.pool.new_stream(cast(Any, receiver))

    @property
    def probe(self) -> Any:
        return self.connector.dials[-1][0]


@pytest.mark.parametrize(("alpn", "protocol"), [("h2", "HTTP/2"), ("http/1.1", "HTTP/1.1"), ("", "HTTP/1.1")])
def test_all_who_wait_go_to_the_pool_that_the_handshake_chose(alpn: str, protocol: str) -> None:
    world = World()
    waiting = [world.ask()[0] for _ in range(3)]
    assert len(world.connector.dials) == 1
    world.probe.connection_made(Transport(alpn))
    (chosen,) = world.chosen
    assert (chosen.protocol, chosen.receivers) == (protocol, waiting)
    assert world.breakers.pending.active == 0
    later, _ = world.ask()
    assert chosen.receivers[-1] is later
    assert len(world.connector.dials) == 1


def test_who_gave_up_is_not_handed_over() -> None:
    world = World()
    _, first = world.ask()
    second, handle = world.ask()
    first.cancel()
    world.probe.connection_made(Transport("h2"))
    assert world.chosen[0].receivers == [second]
    handle.cancel()
    assert world.chosen[0].cancelled == 1


def test_a_connection_that_nobody_waits_for_any_more_is_closed() -> None:
    world = World()
    _, handle = world.ask()
    handle.cancel()
    transport = Transport("h2")
    world.probe.connection_made(transport)
    assert transport.aborted
    assert not world.chosen


def test_more_than_may_wait_are_refused() -> None:
    world = World(most_pending=1)
    world.ask()
    receiver, handle = world.ask()
    assert handle is None
    assert receiver.failures == [PoolFailure.OVERFLOW]


def test_a_pool_without_connections_learns_anew() -> None:
    world = World()
    world.ask()
    world.probe.connection_made(Transport("h2"))
    world.chosen[0].unused = True
    world.ask()
    world.probe.connection_made(Transport("http/1.1"))
    assert [each.protocol for each in world.chosen] == ["HTTP/2", "HTTP/1.1"]
    assert world.chosen[0].draining


def test_draining_ends_when_nobody_waits() -> None:
    world = World()
    _, handle = world.ask()
    world.pool.drain()
    assert not world.empty
    handle.cancel()
    assert world.connector.dials[0][1].cancelled
    assert world.empty


def test_closing_tells_nobody() -> None:
    world = World()
    receiver, _ = world.ask()
    world.pool.close()
    assert world.connector.dials[0][1].cancelled
    assert receiver.failures == []
    assert world.breakers.pending.active == 0


class Above(Dialled):
    def __init__(self) -> None:
        self.heard: list[object] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.heard.append("made")

    def data_received(self, data: bytes) -> None:
        self.heard.append(data)

    def connect_failed(self, reason: PoolFailure, details: str) -> None:
        self.heard.append((reason, details))


def test_the_first_dial_has_the_outcome_and_what_came_early() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        others, transport, above = Connector(), Transport("h2"), Above()
        handed = HandedOver(cast(Any, others), Outcome([b"a", b"b"], transport), loop)
        handed.connect(SocketAddress("10.0.0.1", 443), above)
        assert above.heard == []
        await asyncio.sleep(0)
        assert above.heard == ["made", b"ab"]
        assert transport.above is above
        handed.connect(SocketAddress("10.0.0.1", 443), above)
        assert len(others.dials) == 1

    asyncio.run(scenario())


def test_a_failure_is_told_as_one_and_a_given_up_dial_closes_the_connection() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        failure = (PoolFailure.TIMEOUT, "")
        above, transport = Above(), Transport("h2")
        HandedOver(cast(Any, Connector()), Outcome([], failure=failure), loop).connect(SocketAddress("10.0.0.1", 443), above)
        HandedOver(cast(Any, Connector()), Outcome([], transport), loop).connect(SocketAddress("10.0.0.1", 443), above).cancel()
        await asyncio.sleep(0)
        assert above.heard == [failure]
        assert transport.aborted

    asyncio.run(scenario())
