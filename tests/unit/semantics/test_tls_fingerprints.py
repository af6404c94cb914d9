"""JA3 and JA4 of hellos that a real Envoy 1.40 was shown."""

from __future__ import annotations

from typing import Final

import pytest

from dataplane.semantics.client_hello import ClientHello, parse_client_hello
from dataplane.semantics.tls_fingerprints import ja3, ja4
from tests.support.client_hellos import client_hello, extension, numbers, protocols, server_name, vector

NAME: Final = server_name(b"a.test")
GROUPS: Final = extension(10, vector(numbers(29, 23, 24)))
FORMATS: Final = extension(11, vector(b"\0\1\2", 1))
SIGNATURES: Final = extension(13, vector(numbers(0x403, 0x804, 0x401)))
VERSIONS: Final = extension(43, vector(numbers(0x304, 0x303), 1))
FULL: Final = (NAME, GROUPS, FORMATS, SIGNATURES, protocols(b"h2", b"http/1.1"), VERSIONS)
GREASED: Final = (
    extension(0x0A0A),
    NAME,
    extension(10, vector(numbers(0x2A2A, 29))),
    extension(11, vector(b"\0", 1)),
    extension(13, vector(numbers(0x403, 0x3A3A))),
    extension(43, vector(numbers(0x4A4A, 0x304), 1)),
    protocols(b"\x0a\x0a", b"h2"),
    extension(0xBABA, b"\0"),
)


def fingerprints(data: bytes) -> tuple[str, str]:
    found = parse_client_hello(data, 16384)
    assert isinstance(found, ClientHello)
    return ja3(found), ja4(found)


@pytest.mark.parametrize(
    ("data", "third", "fourth"),
    [
        (client_hello(FULL), "02b23ee2953db22fe5eb43de72d6d9dd", "t13d0406h2_52f89ac5ce33_0d385148b956"),
        (client_hello(FULL[1:]), "f48f8d70af17d912f81c012a42772c4c", "t13i0405h2_52f89ac5ce33_0d385148b956"),
        (client_hello(None), "b248c3e19ed1f5d131f2e446905ca019", "t12i040000_52f89ac5ce33_000000000000"),
        (client_hello(FULL[:5], version=0x301), "e4a11c8eb686603b0ddbc801b702085b", "t10d0405h2_52f89ac5ce33_38660d1a2b28"),
        (
            client_hello(GREASED, ciphers=(0x0A0A, 0x1301, 0x1A1A, 0xC02B, 0xFAFA)),
            "457df0f2c2c5ce56d87799fda8692e86",
            "t13d02060a_777cda164f4b_38452b166ade",
        ),
        (
            client_hello([server_name(b"a")], ciphers=(0x0A1A, 0x2F)),
            "0ab94609e27faf901adb22028e0a70f0",
            "t12d020100_2152a60db513_000000000000",
        ),
        (
            client_hello([server_name(b"x")], ciphers=(0x0A0A,)),
            "eb135aa01a32c0d5cf6ca9cc0f16d7f5",
            "t12d000100_000000000000_000000000000",
        ),
        (
            client_hello([server_name(b"a"), *(extension(1000 + each) for each in range(110))], ciphers=range(0x100, 0x178)),
            "cb6a1b75bfa4cd17c9aa7b6a627756b7",
            "t12d999900_78cd3e4e4f62_04d75418e00d",
        ),
        (
            client_hello([server_name(b"a"), extension(10, b"\0\4\0\1")]),
            "c213420f667067a767d7d8f1f75e4bcb",
            "t12d040200_52f89ac5ce33_a8f3e973773c",
        ),
        (
            client_hello([server_name(b"a"), extension(43, b"\5\3\4")]),
            "fb4cdd87e629889b88ff50189a7609bc",
            "t00d040200_52f89ac5ce33_b9a491fefe05",
        ),
    ],
)
def test_fingerprints(data: bytes, third: str, fourth: str) -> None:
    assert fingerprints(data) == (third, fourth)


@pytest.mark.parametrize(
    ("protocol", "shown"),
    [(b"x", "xx"), (b"h2c", "hc"), (b"\xab\xcd", "ad"), (b"h\xcd", "6d"), (b"-a-", "2d"), (b"\x7f", "7f"), (b"", "00")],
)
def test_the_first_protocol_stands_in_two_characters(protocol: bytes, shown: str) -> None:
    assert fingerprints(client_hello([protocols(protocol)]))[1] == f"t12i0401{shown}_52f89ac5ce33_000000000000"


@pytest.mark.parametrize(
    ("listed", "shown"), [((0x302, 0x303, 0x301), "12"), ((0x7F1C, 0x303), "00"), ((0xAAAA, 0x304), "13"), ((0xAAAA,), "12")]
)
def test_the_highest_version_counts(listed: tuple[int, ...], shown: str) -> None:
    assert fingerprints(client_hello([*FULL[:5], extension(43, vector(numbers(*listed), 1))]))[1].startswith(f"t{shown}d")
