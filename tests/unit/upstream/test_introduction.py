"""What connections say of themselves before anything else, and of whom."""

from __future__ import annotations

import asyncio
from typing import Any

from dataplane.api.upstream import PoolFailure
from dataplane.base.address import Address, SocketAddress
from dataplane.observe.stream_info import StreamInfo
from dataplane.semantics.proxy_header import LOCAL_V2
from dataplane.snapshot.introduced_socket import IntroducedSocket
from dataplane.upstream.connector import Dialled
from dataplane.upstream.introduction import IntroducingConnector

ADDRESS = SocketAddress("10.0.0.9", 80)


def info(*tlvs: tuple[int, bytes]) -> StreamInfo:
    made = StreamInfo()
    made.downstream_remote_address = SocketAddress("10.0.0.1", 1)
    made.downstream_local_address = SocketAddress("10.0.0.2", 2)
    made.proxy_protocol_tlvs = tlvs
    return made


class FakeTransport:
    def __init__(self) -> None:
        self.log: list[Any] = []

    def write(self, data: bytes) -> None:
        self.log.append(data)

    def set_protocol(self, protocol: object) -> None:
        self.log.append(protocol)

    def get_extra_info(self, name: str) -> tuple[str, int]:
        return {"sockname": ("10.0.0.8", 5), "peername": ("10.0.0.9", 80)}[name]


class FakeConnector:
    """Keeps who waits for the socket."""

    dialled: Dialled

    def connect(self, address: Address, protocol: Dialled) -> Any:
        assert address == ADDRESS
        self.dialled = protocol

    def tune(self, transport: asyncio.Transport) -> None: ...


class Above(Dialled):
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.heard.append(transport)

    def connect_failed(self, reason: PoolFailure, details: str) -> None:
        self.heard.append((reason, details))


def connected(version: int, header: bytes) -> tuple[Above, FakeTransport]:
    connector, above, transport = FakeConnector(), Above(), FakeTransport()
    IntroducingConnector(connector, version, header).connect(ADDRESS, above)
    connector.dialled.connection_made(transport)  # type: ignore[arg-type]  # as much of one as is used
    return above, transport


def test_the_header_is_written_before_anybody_hears_of_the_connection() -> None:
    above, transport = connected(1, b"PROXY ...\r\n")
    assert transport.log == [b"PROXY ...\r\n", above]
    assert above.heard == [transport]


def test_a_connection_on_nobodys_behalf_speaks_of_itself() -> None:
    assert connected(2, b"")[1].log[0] == LOCAL_V2
    assert connected(1, b"")[1].log[0] == b"PROXY TCP4 10.0.0.8 10.0.0.9 5 80\r\n"


def test_a_failed_dial_is_passed_on() -> None:
    connector, above = FakeConnector(), Above()
    IntroducingConnector(connector, 1, b"").connect(ADDRESS, above)
    connector.dialled.connect_failed(PoolFailure.TIMEOUT, "late")
    assert above.heard == [(PoolFailure.TIMEOUT, "late")]


class TestHeader:
    def test_version_1_has_no_tlvs(self) -> None:
        socket = IntroducedSocket(1, added=((5, b"x"),), passed_types=None)
        assert socket.header(info((6, b"y"))) == b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"

    def test_ours_come_first_and_count_before_those_of_the_client(self) -> None:
        socket = IntroducedSocket(2, added=((5, b"x"), (7, lambda info: b"made")), passed_types=None)
        assert socket.header(info((6, b"y"), (5, b"no"))).endswith(b"\x05\0\x01x\x07\0\x04made\x06\0\x01y")

    def test_some_of_the_client_s_are_passed_on(self) -> None:
        facts = info((6, b"y"), (8, b"z"))
        assert IntroducedSocket(2).header(facts)[14:16] == b"\0\x0c"
        assert IntroducedSocket(2, passed_types=frozenset({8})).header(facts).endswith(b"\x08\0\x01z")
