"""The hash of a request."""

from __future__ import annotations

import pytest
from xxhash import xxh64_intdigest

from dataplane.base.address import PipeAddress, SocketAddress
from dataplane.observe.stream_info import StreamInfo
from dataplane.routing.hash_policy import (
    Evaluate,
    Hashing,
    HashPolicy,
    NewCookie,
    combined,
    cookie,
    of_cookie,
    of_header,
    of_query_parameter,
    of_source_ip,
)
from dataplane.semantics.header_map import RequestHeaders


def request(*fields: tuple[bytes, bytes], path: bytes = b"/p?q=1&q=2#f") -> Hashing:
    info = StreamInfo()
    info.downstream_remote_address = SocketAddress("192.0.2.1", 5)
    info.downstream_direct_remote_address = SocketAddress("10.0.0.1", 4711)
    info.downstream_local_address = SocketAddress("10.0.0.2", 80)
    return Hashing(RequestHeaders(b"GET", path, b"h.test", fields=list(fields)), info, [])


@pytest.mark.parametrize(
    ("evaluate", "hashed"),
    [
        (of_header(b"x-one", None), b"1"),
        (of_header(b"x-one", lambda value: value + b"!"), b"1!"),
        (of_header(b"x-none", None), None),
        (of_header(b":path", None), b"/p?q=1&q=2#f"),
        (of_header(b"host", None), b"h.test"),
        (of_cookie(b"k", None), b"v"),
        (of_cookie(b"none", None), None),
        (of_query_parameter(b"q"), b"1"),
        (of_query_parameter(b"r"), None),
        (of_source_ip, b"192.0.2.1"),
    ],
)
def test_what_is_hashed(evaluate: Evaluate, hashed: bytes | None) -> None:
    found = evaluate(request((b"x-one", b"1"), (b"cookie", b"a=b; k=v")))
    assert found == (None if hashed is None else xxh64_intdigest(hashed))


def test_the_order_of_a_headers_values_does_not_count() -> None:
    evaluate = of_header(b"x", None)
    one, other = request((b"x", b"1"), (b"x", b"2")), request((b"x", b"2"), (b"x", b"1"))
    assert evaluate(one) == evaluate(other) == xxh64_intdigest(b"2", xxh64_intdigest(b"1"))


def test_a_pipe_has_no_source_ip() -> None:
    asked = request()
    asked.info.downstream_remote_address = PipeAddress("/run/x")
    assert of_source_ip(asked) is None


@pytest.mark.parametrize(
    ("new", "rest"),
    [
        (NewCookie(0), b"; HttpOnly"),
        (NewCookie(60, b"/p"), b"; Max-Age=60; Path=/p; HttpOnly"),
        (NewCookie(0, b"", ((b"SameSite", b"None"), (b"Secure", b""))), b"; SameSite=None; Secure; HttpOnly"),
    ],
)
def test_a_cookie_that_is_missing_is_made_of_the_addresses(new: NewCookie, rest: bytes) -> None:
    asked = request()
    value = b"%016x" % xxh64_intdigest(b"10.0.0.1:471110.0.0.2:80")
    assert of_cookie(b"k", new)(asked) == xxh64_intdigest(value)
    assert asked.set_cookies == [b'k="%b"' % value + rest]


def test_policies_are_combined_until_a_terminal_one() -> None:
    one, two, nothing = (HashPolicy(of_header(name, None)) for name in (b"one", b"two", b"none"))
    asked = request((b"one", b"1"), (b"two", b"2"))
    first, second = xxh64_intdigest(b"1"), xxh64_intdigest(b"2")
    turned = (first << 1 | first >> 63) & ((1 << 64) - 1)
    assert combined([one, two], asked) == turned ^ second
    assert combined([nothing, one], asked) == first
    assert combined([HashPolicy(one.evaluate, terminal=True), two], asked) == first
    assert combined([HashPolicy(nothing.evaluate, terminal=True), two], asked) == second
    assert combined([nothing], asked) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [(b"k=1", b"1"), (b"a=2;k=1", b"1"), (b'k="1"', b"1"), (b"k", b""), (b"kk=1", b""), (b'k="', b'"'), (b"k=a=b", b"a=b")],
)
def test_cookies(field: bytes, value: bytes) -> None:
    assert cookie(request((b"cookie", field)).headers, b"k") == value
