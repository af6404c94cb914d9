"""Names that need no name server: literals, and what /etc/hosts says."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest

from dataplane.base.address import SocketAddress
from dataplane.upstream import resolver as resolver_module
from dataplane.upstream.resolver import DnsAnswer, DnsFailure, Resolver, is_ip


def resolve(name: str, family: str) -> DnsAnswer:
    async def run() -> DnsAnswer:
        resolver = Resolver(asyncio.get_running_loop())
        try:
            return await resolver.resolve(name, family)
        finally:
            await resolver.close()

    return asyncio.run(run())


@pytest.mark.parametrize("name", ["10.0.0.1", "::1"])
def test_literals(name: str) -> None:
    assert resolve(name, "V4_ONLY") == DnsAnswer((name,))


@pytest.mark.parametrize(
    ("family", "addresses"),
    [
        ("AUTO", ("::1",)),
        ("V4_ONLY", ("127.0.0.1",)),
        ("V6_ONLY", ("::1",)),
        ("V4_PREFERRED", ("127.0.0.1",)),
        ("ALL", ("127.0.0.1", "::1")),
    ],
)
def test_localhost_in_every_family(family: str, addresses: tuple[str, ...]) -> None:
    assert resolve("localhost", family).addresses == addresses


class NameServer(asyncio.DatagramProtocol):
    """Answers every question for an IPv4 address with 10.0.0.<number of the question>, valid for a minute; fails for `fail.test`."""

    def __init__(self) -> None:
        self.questions = 0

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        end = data.index(b"\0", 12) + 5
        question, kind = data[12:end], data[end - 4 : end - 2]
        if b"fail" in question:
            self.transport.sendto(data[:2] + b"\x81\x82" + struct.pack("!4H", 1, 0, 0, 0) + question, addr)
            return
        self.questions += 1
        record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + bytes([10, 0, 0, self.questions])
        records = record if kind == b"\0\1" else b""
        self.transport.sendto(data[:2] + b"\x81\x80" + struct.pack("!4H", 1, bool(records), 0, 0) + question + records, addr)


async def name_server() -> tuple[NameServer, SocketAddress]:
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(NameServer, ("127.0.0.1", 0))
    return server, SocketAddress("127.0.0.1", transport.get_extra_info("sockname")[1])


def test_what_the_name_server_says_now_counts_not_what_it_said_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver_module, "_CHANNEL_AGE", 0.0)

    async def run() -> None:
        server, address = await name_server()
        resolver = Resolver(asyncio.get_running_loop(), (address,))
        assert await resolver.resolve("a.test", "V4_ONLY") == DnsAnswer(("10.0.0.1",), 60.0)
        assert await resolver.resolve("a.test", "V4_ONLY") == DnsAnswer(("10.0.0.2",), 60.0)
        await resolver.close()
        server.transport.close()

    asyncio.run(run())


def test_the_other_family_is_asked_where_one_has_no_addresses() -> None:
    async def run() -> None:
        server, address = await name_server()
        resolver = Resolver(asyncio.get_running_loop(), (address,))
        answer = await resolver.resolve("a.test", "AUTO")
        assert answer.addresses == ("10.0.0.2",)
        assert (await resolver.resolve("a.test", "V6_ONLY")).addresses == ()
        await resolver.close()
        server.transport.close()

    asyncio.run(run())


def test_a_name_server_that_fails() -> None:
    async def run() -> None:
        server, address = await name_server()
        resolver = Resolver(asyncio.get_running_loop(), (address,))
        with pytest.raises(DnsFailure, match=r"fail\.test"):
            await resolver.resolve("fail.test", "V4_ONLY")
        await resolver.close()
        server.transport.close()

    asyncio.run(run())


def test_is_ip() -> None:
    assert is_ip("10.0.0.1")
    assert is_ip("::1")
    assert not is_ip("localhost")
    assert not is_ip("10.0.0.256")
