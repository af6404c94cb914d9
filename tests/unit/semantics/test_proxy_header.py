"""The header of the PROXY protocol, byte by byte."""

from __future__ import annotations

import pytest

from dataplane.base.address import Address, PipeAddress, SocketAddress
from dataplane.semantics.proxy_header import LOCAL_V2, UNKNOWN_V1, proxy_header

V4 = (SocketAddress("10.0.0.1", 1024), SocketAddress("10.0.0.2", 443))
V6 = (SocketAddress("::1", 1024), SocketAddress("2001:db8::2", 443))
SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")


def test_version_1() -> None:
    assert proxy_header(1, *V4) == b"PROXY TCP4 10.0.0.1 10.0.0.2 1024 443\r\n"
    assert proxy_header(1, *V6) == b"PROXY TCP6 ::1 2001:db8::2 1024 443\r\n"


def test_version_2() -> None:
    assert proxy_header(2, *V4) == SIGNATURE + bytes.fromhex("2111000c 0a000001 0a000002 0400 01bb")
    addresses = bytes(15) + b"\x01" + bytes.fromhex("20010db8000000000000000000000002")
    assert proxy_header(2, *V6) == SIGNATURE + bytes.fromhex("21210024") + addresses + bytes.fromhex("0400 01bb")


def test_tlvs_follow_the_addresses() -> None:
    header = proxy_header(2, *V4, tlvs=[(5, b"ab"), (0xE0, b"")])
    assert header[14:16] == (12 + 5 + 3).to_bytes(2)
    assert header.endswith(bytes.fromhex("05 0002 6162 e0 0000"))


@pytest.mark.parametrize(
    ("source", "destination"), [(V4[0], V6[1]), (PipeAddress("/a"), V4[1]), (V4[0], PipeAddress("/a")), (None, None)]
)
def test_addresses_that_are_no_pair_are_not_told(source: Address | None, destination: Address | None) -> None:
    assert proxy_header(1, source, destination) == UNKNOWN_V1 == b"PROXY UNKNOWN\r\n"
    assert proxy_header(2, source, destination) == LOCAL_V2 == SIGNATURE + b"\x20\x00\x00\x00"
