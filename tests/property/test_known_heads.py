"""Field blocks that are remembered: whatever was read before, a head means what it means to somebody who remembers nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dataplane.base.errors import ProtocolError
from dataplane.semantics import noticed
from dataplane.semantics.h1_fields import FieldParser
from dataplane.semantics.h1_head import HTTP_11, RequestHeadParser, ResponseHeadParser, find_head_end
from tests.support.fuzzing import fuzzed

REQUEST = (
    b"GET /a?b HTTP/1.1\r\nhost: a.test\r\nuser-agent: curl/8\r\naccept: */*\r\nx-forwarded-for: 10.0.0.1\r\n"
    b"x-request-id: 1\r\ncookie: a=b; c=d\r\n\r\n"
)
RESPONSE = (
    b"HTTP/1.1 200 OK\r\ndate: Mon, 01 Jan 2024 00:00:00 GMT\r\nserver: up\r\ncontent-type: text/plain\r\n"
    b"set-cookie: a=b\r\ncontent-length: 2\r\n\r\n"
)
# What a careless memory might take for the same: other bytes of the same length, and pieces that change how a head is framed.
BYTES = st.sampled_from([bytes([byte]) for byte in b"\r\n\t :,;aA0\x00\x7f\x80\xff"]) | st.binary(max_size=2)
PIECES = st.sampled_from(
    [
        b"\r\n",
        b"\n",
        b"\r\n ",
        b"content-length: 3\r\n",
        b"transfer-encoding: chunked\r\n",
        b"connection: close\r\n",
        b"Host: b.test\r\n",
    ]
)
CHANGES = st.lists(st.tuples(st.integers(0, 250), st.integers(0, 3), BYTES | PIECES), max_size=3)


FLIPS = st.lists(st.tuples(st.integers(0, 250), st.sampled_from([0x20, 0x01, 0x80])), max_size=5)


def flipped(head: bytes, at: int, bits: int) -> bytes:
    """The same but for one byte: a letter's case, a digit, a byte beyond ASCII."""
    other = bytearray(head)
    other[at % len(head)] ^= bits
    return changed(bytes(other), [])


def changed(head: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    """Each change takes some bytes away at its place and puts others there.  Cut as every caller cuts it."""
    for at, taken, put in changes:
        at %= len(head)
        head = head[:at] + put + head[at + taken :]
    head += b"\r\n\r\n"
    return head[: find_head_end(head)]


def reading(parse: Callable[[bytes], Any], head: bytes) -> object:
    try:
        headers, *framing = parse(head)
    except ProtocolError as error:
        return error.status, error.details
    first = getattr(headers, "method", None), getattr(headers, "path", None), getattr(headers, "authority", None)
    return first, getattr(headers, "status", None), tuple(headers.fields), framing


@given(st.lists(CHANGES, max_size=3), FLIPS)
@fuzzed(300)
def test_requests(conversation: list[list[tuple[int, int, bytes]]], flips: list[tuple[int, int]]) -> None:
    heads = [REQUEST, *(flipped(REQUEST, *flip) for flip in flips), *(changed(REQUEST, changes) for changes in conversation)]
    one_for_all = RequestHeadParser(FieldParser())
    for head in [*heads, *heads]:
        assert reading(one_for_all.parse, head) == reading(RequestHeadParser(FieldParser()).parse, head)
        known = one_for_all.parse_known(head)
        if known is not None:
            headers = known[0]
            assert headers.noticed == noticed.among(noticed.REQUEST, headers.fields)
            headers.fields.append((b"poison", b"1"))  # whoever gets a head may change it


@given(st.lists(CHANGES, max_size=3), FLIPS, st.binary(max_size=5))
@fuzzed(300)
def test_responses(conversation: list[list[tuple[int, int, bytes]]], flips: list[tuple[int, int]], behind: bytes) -> None:
    heads = [RESPONSE, *(flipped(RESPONSE, *flip) for flip in flips), *(changed(RESPONSE, changes) for changes in conversation)]
    one_for_all = ResponseHeadParser(FieldParser())
    for head in [*heads, *heads]:
        expected = reading(ResponseHeadParser(FieldParser()).parse, head)
        assert reading(one_for_all.parse, head) == expected
        known = one_for_all.parse_known(head + behind)
        if known is not None:
            headers, length, keep_alive, end = known
            assert end == len(head)
            assert headers.noticed == noticed.among(noticed.RESPONSE, headers.fields)
            assert ((None,) * 3, headers.status, tuple(headers.fields), [length, keep_alive, HTTP_11]) == expected
            headers.fields.append((b"poison", b"1"))
