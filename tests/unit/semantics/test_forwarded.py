"""Who asks."""

from __future__ import annotations

import pytest

from dataplane.base.address import SocketAddress
from dataplane.matching.cidr import CidrSet, network
from dataplane.semantics.forwarded import append, first_untrusted, last_address, sanitize_referer
from dataplane.semantics.header_map import HeaderMap, RequestHeaders


def request(*values: bytes, name: bytes = b"x-forwarded-for") -> RequestHeaders:
    return RequestHeaders(b"GET", b"/", b"h", fields=[(name, value) for value in values])


@pytest.mark.parametrize(
    ("values", "hops", "address", "alone"),
    [
        ((), 0, None, False),
        ((b"1.1.1.1",), 0, "1.1.1.1", True),
        ((b"1.1.1.1, 2.2.2.2",), 0, "2.2.2.2", False),
        ((b"1.1.1.1", b"2.2.2.2"), 1, "1.1.1.1", False),
        ((b"1.1.1.1",), 1, None, False),
        ((b"a\xff",), 0, None, True),
        ((b"1.1.1.1:80",), 0, None, True),
    ],
)
def test_last_address(values: tuple[bytes, ...], hops: int, address: str | None, alone: bool) -> None:
    wanted = None if address is None else SocketAddress(address, 0)
    assert last_address(request(*values), hops) == (wanted, alone)


def test_append_makes_one_field_of_several() -> None:
    headers = HeaderMap([(b"via", b"a"), (b"x", b"1"), (b"via", b"b")])
    append(headers, b"via", b"c", b", ")
    assert headers.fields == [(b"via", b"a,b, c"), (b"x", b"1")]
    append(headers, b"y", b"1", b",")
    assert headers.get(b"y") == b"1"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (b"http://a/b", True),
        (b"/rel", True),
        (b"foo", True),
        (b"https://a.b:80", True),
        (b"http://[::1]:80/x", True),
        (b"http://a?x", True),
        (b"ftp://a/b", True),
        (b"http://", False),
        (b"http://a b/", False),
        (b"about:blank", False),
        (b"http://a:x/", False),
    ],
)
def test_referer(value: bytes, kept: bool) -> None:
    headers = request(value, name=b"referer")
    sanitize_referer(headers)
    assert bool(headers.fields) is kept


def test_two_referers_are_none() -> None:
    headers = request(b"http://a", b"http://b", name=b"referer")
    sanitize_referer(headers)
    assert headers.fields == []


@pytest.mark.parametrize(
    ("values", "address", "alone"),
    [
        ((), None, False),
        ((b"1.1.1.1",), "1.1.1.1", True),
        ((b"9.1.1.1",), "9.1.1.1", True),
        ((b"1.1.1.1, 9.1.1.1 ,9.2.2.2",), "1.1.1.1", False),
        ((b"2.2.2.2", b"1.1.1.1,9.1.1.1"), "1.1.1.1", False),
        ((b"9.3.3.3,9.1.1.1",), "9.3.3.3", False),
        ((b"1.1.1.1,,9.1.1.1",), None, False),
    ],
)
def test_the_last_who_is_not_trusted(values: tuple[bytes, ...], address: str | None, alone: bool) -> None:
    expected = None if address is None else SocketAddress(address, 0)
    assert first_untrusted(request(*values), CidrSet([network("9.0.0.0", 8)])) == (expected, alone)


def test_a_mapped_address_is_written_as_everybody_writes_it() -> None:
    assert last_address(request(b"::FFFF:1.2.3.4"), 0) == (SocketAddress("::ffff:1.2.3.4", 0), True)
