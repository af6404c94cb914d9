"""Openings of connections, and what a real Envoy 1.40 made of them."""

from __future__ import annotations

import pytest

from dataplane.semantics.client_hello import ClientHello, NoHello, parse_client_hello
from dataplane.semantics.tls_records import NotTls
from tests.support.client_hellos import client_hello, extension, protocols, record, server_name, vector

MOST = 16384
NAME = server_name(b"a.test")
WARNING = record(b"\1\x5a", 0x15)
SPECS = b"\0\0\x2f" * 7
V2 = b"\1\3\1\0\x15\0\0\0\x10" + SPECS + b"r" * 16


def of_version_2(body: bytes) -> bytes:
    return (0x8000 | len(body)).to_bytes(2) + body


NOT_TLS = {
    "WRONG_VERSION_NUMBER 247": (
        b"\x16\5\0\0\x10\1",
        b"\0" * 20,
        b"DELETE / HTTP/1.1",
        b"CONNXXXX",
        b"HEADXXXX",
        record(b"") * 32 + b"abcdefg",
        b"\x80\x20\2\0\2\0\x15",
        of_version_2(b"\1\0\2" + V2[3:]),
    ),
    "HTTP_REQUEST 156": (b"GET / HTTP/1.1", b"POST /", b"HEAD /", b"PUT / "),
    "HTTPS_PROXY_REQUEST 155": (b"CONNECT a:1 HTTP",),
    "ENCRYPTED_LENGTH_TOO_LONG 146": (b"\x16\3\1\x48\1",),
    "UNEXPECTED_RECORD 225": (record(b"ab", 0x17), record(b"\1", 0x14), record(b"\1\0\0\x50" + b"r" * 34) + record(b"x", 0x17)),
    "UNEXPECTED_MESSAGE 223": (record(b"\2\0\0\4abcd"), WARNING * 4 + record(b"\0\0\0\0")),
    "EXCESSIVE_MESSAGE_SIZE 150": (record(b"\1\1\1\1"), record(b"\1\0\x40\1a"), record(b"\1") + record(b"\1\1\1a")),
    "TOO_MANY_EMPTY_FRAGMENTS 219": (record(b"") * 33,),
    "TOO_MANY_WARNING_ALERTS 220": (WARNING * 5,),
    "BAD_ALERT 102": (record(b"\2\x28\0", 0x15),),
    "UNKNOWN_ALERT_TYPE 227": (record(b"\3\x28", 0x15),),
    "SSLV3_ALERT_HANDSHAKE_FAILURE 1040": (record(b"\2\x28", 0x15),),
    "TLSV1_ALERT_UNKNOWN_CA 1048": (record(b"\2\x30", 0x15),),
    "reason(1255) 1255": (record(b"\2\xff", 0x15),),
    "CLIENTHELLO_PARSE_FAILED 131": (
        record(b"\1\0\0\5abcde"),
        client_hello([NAME], session=b"s" * 33),
        client_hello([NAME], compression=b""),
        client_hello([NAME], ciphers=()),
        client_hello([NAME], rest=b"x"),
        client_hello([NAME, NAME]),
        client_hello([extension(23), extension(23)]),
        of_version_2(b"\1\3\1\0\x15\0\0\0\x10" + b"\1\0\x2f" * 7 + b"r" * 16),
    ),
    "ERROR_PARSING_EXTENSION 149": tuple(
        client_hello([each])
        for each in (
            extension(0),
            extension(0, b"\0\5\0\0\1a"),
            server_name(b""),
            server_name(b"a\0b"),
            server_name(b"a" * 256),
            extension(0, vector(b"\1" + vector(b"a"))),
            extension(0, vector(b"\0" + vector(b"a") + b"\0" + vector(b"b"))),
            extension(0, vector(b"\0" + vector(b"a")) + b"x"),
        )
    ),
    "RECORD_LENGTH_MISMATCH 199": (b"\x80\0\1\3\1aa",),
    "RECORD_TOO_LARGE 200": (b"\xff\xff\1\3\1",),
    "DECODE_ERROR 137": (of_version_2(V2 + b"x"), of_version_2(V2[:-1]), of_version_2(V2[:4] + b"\x14" + V2[5:-1])),
}


@pytest.mark.parametrize(("reason", "data"), [(reason, data) for reason, several in NOT_TLS.items() for data in several])
def test_what_is_no_tls(reason: str, data: bytes) -> None:
    found = parse_client_hello(data, MOST)
    assert isinstance(found, NotTls)
    assert f"{found.reason} {found.number}" == reason


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"\x16\3\1\x41\1", NoHello.INCOMPLETE),
        (record(b"\1\0\x40\0a"), NoHello.INCOMPLETE),
        (of_version_2(V2)[:-1], NoHello.INCOMPLETE),
        (record(b"\1\0", 0x15) + b"xxxxx", NoHello.ENDED),
        (b"\x16\3\1\x40\1" + b"a" * 16380, NoHello.TOO_LARGE),
    ],
)
def test_what_is_no_hello(data: bytes, found: NoHello) -> None:
    assert parse_client_hello(data, MOST) is found


def test_as_much_as_may_be_is_looked_at() -> None:
    whole = client_hello([NAME])
    assert isinstance(parse_client_hello(whole + b"x", len(whole)), ClientHello)
    assert parse_client_hello(whole, len(whole) - 1) is NoHello.TOO_LARGE


@pytest.mark.parametrize("broken", [b"", b"\0\0", b"\0\5\2h2", b"\0\3\2h2x", b"\0\1\0"])
def test_protocols_that_are_broken_are_none(broken: bytes) -> None:
    found = parse_client_hello(client_hello([NAME, extension(16, broken)]), MOST)
    assert isinstance(found, ClientHello)
    assert (found.server_name, found.protocols) == ("a.test", ())


def test_a_hello_in_the_form_of_version_2_asks_for_nothing_by_name() -> None:
    found = parse_client_hello(of_version_2(V2), MOST)
    assert found == ClientHello(0x301, (0x2F,) * 7, (), "", ())


def test_a_name_is_lower_case_and_protocols_keep_their_order() -> None:
    found = parse_client_hello(client_hello([server_name(b"A.Test"), protocols(b"h2", b"http/1.1")]), MOST)
    assert isinstance(found, ClientHello)
    assert (found.server_name, found.protocols) == ("a.test", ("h2", "http/1.1"))
