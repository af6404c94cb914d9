"""Pairs of transports without a socket, in a real loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from dataplane.api.upstream import PoolFailure
from dataplane.base.address import InternalAddress
from dataplane.upstream.connector import Dialled
from dataplane.upstream.internal_connection import CLIENT_ADDRESS, InternalDial, InternalListeners, InternalTransport
from tests.support.waiting import wait_until_async

ADDRESS = InternalAddress("inner", "a")


class End(Dialled):
    """Remembers what it is told."""

    def __init__(self, on_made: Callable[[InternalTransport], None] = lambda transport: None, keeps: bool = True) -> None:
        self.received = b""
        self.pieces = 0
        self.ended = self.blocked = False
        self.lost: list[Exception | None] = []
        self.failure: tuple[PoolFailure, str] | None = None
        self._on_made = on_made
        self._keeps = keeps

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, InternalTransport)
        self.transport = transport
        self._on_made(transport)

    def connect_failed(self, reason: PoolFailure, details: str) -> None:
        self.failure = reason, details

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.pieces += 1

    def eof_received(self) -> bool:
        self.ended = True
        return self._keeps

    def pause_writing(self) -> None:
        self.blocked = True

    def resume_writing(self) -> None:
        self.blocked = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


def run(scenario: Callable[[End, End], Awaitable[None]], buffer_size: int = 0, keeps: bool = True) -> None:
    async def main() -> None:
        client, server = End(keeps=keeps), End(keeps=keeps)
        listeners = InternalListeners()
        listeners.buffer_size = buffer_size
        listeners.acceptors["inner"] = lambda: server
        InternalDial(asyncio.get_running_loop(), listeners, ADDRESS, client)
        await wait_until_async(lambda: hasattr(client, "transport"), "connected")
        await scenario(client, server)

    asyncio.run(main())


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_both_ends_know_where_they_are() -> None:
    async def scenario(client: End, server: End) -> None:
        assert client.transport.get_extra_info("peername") == server.transport.get_extra_info("sockname") == ADDRESS
        assert client.transport.get_extra_info("sockname") == server.transport.get_extra_info("peername") == CLIENT_ADDRESS
        assert str(ADDRESS) == "envoy://inner/a"

    run(scenario)


def test_bytes_go_both_ways_in_a_later_turn() -> None:
    async def scenario(client: End, server: End) -> None:
        client.transport.write(b"ab")
        client.transport.write(b"c")
        server.transport.write(b"xyz")
        assert server.received == client.received == b""
        await turns()
        assert (server.received, server.pieces, client.received) == (b"abc", 1, b"xyz")

    run(scenario)


def test_who_reads_slowly_blocks_who_writes() -> None:
    async def scenario(client: End, server: End) -> None:
        client.transport.set_write_buffer_limits(10)
        server.transport.pause_reading()
        client.transport.write(bytes(15))
        assert not client.blocked
        client.transport.write(b"x")
        assert client.blocked
        assert client.transport.get_write_buffer_size() == 11
        await turns()
        assert server.received == b""
        server.transport.resume_reading()
        await turns()
        assert len(server.received) == 16
        assert not client.blocked

    run(scenario, buffer_size=5)


def test_one_direction_ends_and_the_other_goes_on() -> None:
    async def scenario(client: End, server: End) -> None:
        client.transport.write(b"last")
        client.transport.write_eof()
        client.transport.write(b"too late")
        await turns()
        assert (server.received, server.ended, server.lost) == (b"last", True, [])
        server.transport.write(b"answer")
        await turns()
        assert client.received == b"answer"
        server.transport.close()
        await turns()
        assert client.ended
        assert server.lost == [None]

    run(scenario)


def test_an_end_that_is_not_kept_closes() -> None:
    async def scenario(client: End, server: End) -> None:
        client.transport.write_eof()
        await turns()
        assert server.lost == client.lost == [None]

    run(scenario, keeps=False)


def test_what_was_written_before_close_arrives_even_later() -> None:
    async def scenario(client: End, server: End) -> None:
        server.transport.pause_reading()
        client.transport.write(b"abc")
        client.transport.close()
        client.transport.close()
        await turns()
        assert client.lost == [None]
        server.transport.resume_reading()
        await turns()
        assert (server.received, server.ended) == (b"abc", True)
        server.transport.write(b"nobody reads this")
        await turns()
        assert [type(error) for error in server.lost] == [BrokenPipeError]

    run(scenario)


def test_abort_is_a_reset_for_the_other() -> None:
    async def scenario(client: End, server: End) -> None:
        client.transport.write(b"abc")
        client.transport.abort()
        await turns()
        assert client.lost == [None]
        assert [type(error) for error in server.lost] == [ConnectionResetError]
        assert server.received == b""

    run(scenario)


def test_nobody_listens_or_nobody_is_let_in() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        listeners = InternalListeners()
        listeners.acceptors["strict"] = lambda: End(on_made=lambda transport: transport.close())
        for name in ("nobody", "strict"):
            client = End()
            InternalDial(loop, listeners, InternalAddress(name), client)
            assert client.failure is None
            await turns()
            reason = f"immediate connect error: Invalid argument|remote address:envoy://{name}/"
            assert client.failure == (PoolFailure.REMOTE_CONNECTION_FAILURE, reason)

    asyncio.run(main())


def test_a_dial_that_is_given_up_says_nothing() -> None:
    async def main() -> None:
        client = End()
        InternalDial(asyncio.get_running_loop(), InternalListeners(), ADDRESS, client).cancel()
        await turns()
        assert client.failure is None

    asyncio.run(main())
