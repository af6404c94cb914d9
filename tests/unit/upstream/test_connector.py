"""Dialling over real sockets: from which address, and what a failure is called."""

from __future__ import annotations

import asyncio
import socket

from dataplane.api.upstream import PoolFailure
from dataplane.base.address import SocketAddress
from dataplane.base.deadlines import DeadlineWheel
from dataplane.observe.stats import Counter
from dataplane.snapshot.cluster import Cluster, DiscoveryType, SourceAddress
from dataplane.upstream.connector import Dialled, SocketConnector


class Outcome(Dialled):
    """Remembers what became of a dial."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.transport: asyncio.BaseTransport | None = None
        self.failure: tuple[PoolFailure, str] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.over.set()

    def connect_failed(self, reason: PoolFailure, details: str) -> None:
        self.failure = (reason, details)
        self.over.set()


def dialled(source: SourceAddress, bind_errors: Counter) -> tuple[str | None, tuple[PoolFailure, str] | None]:
    """The address that a listener of ours sees, or how it failed."""

    async def run() -> tuple[str | None, tuple[PoolFailure, str] | None]:
        loop = asyncio.get_running_loop()
        deadlines = DeadlineWheel(loop.time, loop.call_at)
        cluster = Cluster("a", DiscoveryType.STATIC, source_addresses=(source,))
        with socket.create_server(("127.0.0.1", 0)) as listening:
            outcome = Outcome()
            connector = SocketConnector(loop, deadlines, cluster, bind_errors)
            dial = connector.connect(SocketAddress("127.0.0.1", listening.getsockname()[1]), outcome)
            await asyncio.wait_for(outcome.over.wait(), 5)
            if outcome.transport is None:
                return None, outcome.failure
            dial.connected()
            accepted, peer = listening.accept()
            accepted.close()
            outcome.transport.close()
            return peer[0], None

    return asyncio.run(run())


def test_the_upstream_sees_the_source_address() -> None:
    errors = Counter("bind_errors")
    assert dialled(SourceAddress(SocketAddress("127.0.0.6", 0)), errors) == ("127.0.0.6", None)
    assert errors.value == 0


def test_a_source_address_that_is_not_ours_is_our_failure() -> None:
    errors = Counter("bind_errors")
    seen, failure = dialled(SourceAddress(SocketAddress("192.0.2.77", 0)), errors)
    assert seen is None
    assert failure is not None
    assert failure[0] is PoolFailure.LOCAL_CONNECTION_FAILURE
    assert failure[1].startswith("cannot bind to 192.0.2.77:0: ")
    assert errors.value == 1


def test_an_address_of_another_family_cannot_be_bound() -> None:
    errors = Counter("bind_errors")
    _, failure = dialled(SourceAddress(SocketAddress("::1", 0)), errors)
    assert failure is not None
    assert failure[0] is PoolFailure.LOCAL_CONNECTION_FAILURE
    assert errors.value == 1


def test_freebind_binds_to_what_no_interface_has_yet() -> None:
    errors = Counter("bind_errors")
    _, failure = dialled(SourceAddress(SocketAddress("192.0.2.77", 0), freebind=True), errors)
    # Bound, but no answer finds its way back: the dial ends by time or by a route that is not there, not by the bind.
    assert failure is not None
    assert errors.value == 0
