"""HTTP/1 bytes read the same however they are split, and nothing but ProtocolError is ever raised."""

from __future__ import annotations

import itertools
import sys

from hypothesis import given
from hypothesis import strategies as st

from dataplane.base.errors import ProtocolError
from dataplane.semantics.framing import ChunkedDecoder, encode_chunk
from dataplane.semantics.h1_fields import FieldParser
from dataplane.semantics.h1_head import RequestHeadParser, ResponseHeadParser, find_head_end
from tests.support.fuzzing import fuzzed

FIELDS = FieldParser()

# Pieces that chunked bodies and heads are made of, so that random input gets past the first byte.
WIRE = st.lists(
    st.sampled_from(
        [b"\r\n", b"\n", b"\r", b" ", b"\t", b";", b":", b"0", b"3", b"a", b"abc", b"X: y", b"\x00", b"\xff", b"\r\n\r\n"]
    )
    | st.binary(max_size=3)
).map(b"".join)


def outcome(packets: list[bytes], most: int = sys.maxsize) -> tuple[object, ...]:
    """What a body is read as.  most: chunks that are taken at once."""
    decoder = ChunkedDecoder(FIELDS, most=most)
    body = b""
    waiting = list(reversed(packets))
    try:
        while waiting:
            body += b"".join(decoder.feed(waiting.pop()))
            if decoder.rest and not decoder.done:
                waiting.append(decoder.rest)
                decoder.rest = b""
            if decoder.error is not None:
                return ("refused", decoder.error.details)
    except ProtocolError as error:
        return ("refused", error.details)
    return body, decoder.done, decoder.trailers, decoder.rest


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places)]


@given(WIRE, st.lists(st.integers(0, 60)), st.integers(1, 4))
@fuzzed(200)
def test_chunks_read_the_same_however_many_are_taken_at_once(wire: bytes, cuts: list[int], most: int) -> None:
    assert outcome(split(wire, cuts), most) == outcome([wire])


@given(st.lists(st.binary(min_size=1, max_size=40)), st.lists(st.integers(0, 300)), st.binary(max_size=5))
@fuzzed(100)
def test_what_is_encoded_is_decoded_under_any_split(pieces: list[bytes], cuts: list[int], behind: bytes) -> None:
    wire = b"".join(map(encode_chunk, pieces)) + b"0\r\n\r\n" + behind
    assert outcome(split(wire, cuts)) == (b"".join(pieces), True, [], behind)


@given(WIRE, st.lists(st.integers(0, 60)))
@fuzzed(100)
def test_any_bytes_are_read_the_same_under_any_split(wire: bytes, cuts: list[int]) -> None:
    assert outcome(split(wire, cuts)) == outcome([wire])


@given(WIRE)
@fuzzed(100)
def test_heads_never_raise_anything_but_protocol_errors(wire: bytes) -> None:
    for parse, start in (
        (RequestHeadParser(FIELDS).parse, b"GET / HTTP/1.1\r\n"),
        (ResponseHeadParser(FIELDS).parse, b"HTTP/1.1 200 OK\r\n"),
    ):
        for head in (wire + b"\r\n\r\n", start + wire + b"\r\n\r\n"):
            try:
                headers = parse(head)[0]
            except ProtocolError:
                continue
            for name, value in headers.fields:
                assert name == name.lower()
                assert b"\n" not in value
                assert b"\r" not in value


@given(WIRE, st.integers(0, 50))
@fuzzed(100)
def test_the_end_of_a_head_is_found_whatever_was_looked_at_before(wire: bytes, seen: int) -> None:
    seen = min(seen, len(wire))
    if find_head_end(wire[:seen]) < 0:
        assert find_head_end(wire, max(0, seen - 3)) == find_head_end(wire)
