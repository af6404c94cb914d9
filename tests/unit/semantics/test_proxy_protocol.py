"""Headers of the PROXY protocol: what is read, and what is refused.  The verdicts were tried with Envoy 1.40."""

from __future__ import annotations

import pytest

from dataplane.base.address import SocketAddress
from dataplane.semantics.proxy_protocol import V2_SIGNATURE, NoHeader, ProxyHeader, may_be_header, parse_proxy_header

REST = b"GET / HTTP/1.1\r\n"
IPV4 = bytes([1, 2, 3, 4, 5, 6, 7, 8, 3, 232, 7, 208])
SOURCE, DESTINATION = SocketAddress("1.2.3.4", 1000), SocketAddress("5.6.7.8", 2000)


def v2(command: int = 0x21, family: int = 0x11, body: bytes = IPV4, size: int | None = None) -> bytes:
    return V2_SIGNATURE + bytes([command, family]) + (len(body) if size is None else size).to_bytes(2) + body


@pytest.mark.parametrize(
    ("line", "source", "destination"),
    [
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000", SOURCE, DESTINATION),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 +1000 02000  ", SOURCE, DESTINATION),
        (b"PROXY TCP6 1:2::3 ::ffff:5.6.7.8 0 65535", SocketAddress("1:2::3", 0), SocketAddress("::ffff:5.6.7.8", 65535)),
        (b"PROXY UNKNOWN", None, None),
        (b"PROXY UNKNOWN whatever this is", None, None),
        (b"PROXY UNKNOWN" + b" " * 93, None, None),
    ],
)
def test_version_1(line: bytes, source: SocketAddress | None, destination: SocketAddress | None) -> None:
    header = ProxyHeader(1, len(line) + 2, source, destination)
    assert parse_proxy_header(line + b"\r\n" + REST) == header


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY TCP4  1.2.3.4 5.6.7.8 1 2",
        b"PROXY TCP5 1.2.3.4 5.6.7.8 1 2",
        b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2",
        b"PROXY TCP4 ::1 ::2 1 2",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 65536 2",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1x 2",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 -1 2",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3",
        b"PROXY TCP4 224.0.0.1 5.6.7.8 1 2",
        b"PROXY TCP4 0.0.0.0 5.6.7.8 1 2",
        b"PROXY TCP4 1.2.3.4 255.255.255.255 1 2",
        b"PROXY TCP6 ff02::1 ::1 1 2",
        b"PROXY TCP4 01.2.3.4 5.6.7.8 1 2",
        b"PROXY ",
        b"PROXY UNKNOWN\nx",
        b"PROXY UNKNOWN " + b"x" * 93,
        b"a",
    ],
)
def test_broken_version_1(line: bytes) -> None:
    data = line + b"\r\n" + (REST if line.startswith(b"PROXY ") else b"")
    assert parse_proxy_header(data) is NoHeader.BROKEN_V1


@pytest.mark.parametrize(
    "data", [b"", b"PROXY TCP4 1.2.3.4", b"GET / HTTP/1.1", V2_SIGNATURE, b"\r\nabc", v2()[:-1], v2(0x20, 0, b"ab")[:-1]]
)
def test_more_is_needed(data: bytes) -> None:
    assert parse_proxy_header(data) is NoHeader.INCOMPLETE


@pytest.mark.parametrize("data", [REST, b"PROXY\tTCP4 1.2.3.4 5.6.7.8 1 2\r\n", b"PROXY UNKNOWN " + b"x" * 200])
def test_none_is_there(data: bytes) -> None:
    assert parse_proxy_header(data) is NoHeader.MISSING


def test_version_2() -> None:
    assert parse_proxy_header(v2() + REST) == ProxyHeader(2, 28, SOURCE, DESTINATION)
    assert parse_proxy_header(v2(family=0x12)) == ProxyHeader(2, 28, SOURCE, DESTINATION)
    ipv6 = bytes(15) + b"\1" + bytes(15) + b"\2" + IPV4[8:]
    assert parse_proxy_header(v2(family=0x21, body=ipv6)) == ProxyHeader(
        2, 52, SocketAddress("::1", 1000), SocketAddress("::2", 2000)
    )


def test_values_of_version_2() -> None:
    header = parse_proxy_header(v2(body=IPV4 + b"\2\0\2ab" + b"\xe1\0\0"))
    assert isinstance(header, ProxyHeader)
    assert header.tlvs == ((2, b"ab"), (0xE1, b""))


def test_the_balancers_own_connection_keeps_its_addresses() -> None:
    assert parse_proxy_header(v2(0x20, 0, b"")) == ProxyHeader(2, 16)
    assert parse_proxy_header(v2(0x20, 0, b"\2\0\2ab")) == ProxyHeader(2, 21)


@pytest.mark.parametrize(
    "data",
    [
        v2(command=0x11),
        v2(command=0x22),
        v2(family=0x31, body=bytes(216)),
        v2(family=0x00, body=b""),
        v2(family=0x10),
        v2(size=8),
        v2(body=bytes(12)),
        v2(body=IPV4 + b"\2"),
        v2(body=IPV4 + b"\2\0"),
        v2(body=IPV4 + b"\2\0\2a"),
    ],
)
def test_broken_version_2(data: bytes) -> None:
    assert parse_proxy_header(data) is NoHeader.BROKEN_V2


def test_beginnings() -> None:
    assert may_be_header(b"")
    assert may_be_header(b"P")
    assert may_be_header(b"PROXY anything")
    assert may_be_header(V2_SIGNATURE + b"x")
    assert not may_be_header(b"PO")
    assert not may_be_header(b"PROXY ", (2,))
    assert not may_be_header(V2_SIGNATURE, (1,))
