"""Chunked bodies: the verdicts are Envoy 1.40's, each tried against it."""

from __future__ import annotations

import pytest

from dataplane.base.errors import ProtocolError
from dataplane.semantics.framing import MAX_SIZE_LINE, ChunkedDecoder, encode_chunk, end_of_lines
from dataplane.semantics.h1_fields import FieldParser

FIELDS = FieldParser()


def decode(*packets: bytes) -> tuple[bytes, ChunkedDecoder]:
    decoder = ChunkedDecoder(FIELDS)
    body = b"".join(piece for packet in packets for piece in decoder.feed(packet))
    if decoder.error is not None:
        raise decoder.error
    return body, decoder


@pytest.mark.parametrize(
    "wire",
    [
        b"5\r\nhello\r\n0\r\n\r\n",
        b"0005\r\nhello\r\n000\r\n\r\n",
        b"0" * 40 + b"5\r\nhello\r\n0\r\n\r\n",
        b"5;a=b\r\nhello\r\n0;x\r\n\r\n",
        b'5;a="b\\"c"\r\nhello\r\n0\r\n\r\n',
        b"5 ;a=b\r\nhello\r\n0\r\n\r\n",
        b"5  \r\nhello\r\n0\r\n\r\n",
        b"5\t\r\nhello\r\n0\r\n\r\n",
        b"5 x\r\nhello\r\n0 zz\r\n\r\n",
        b"5;a\x00\xff\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhelloXYZ\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\n\n",
        b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    ],
)
def test_accepted(wire: bytes) -> None:
    body, decoder = decode(wire)
    assert (body, decoder.done, decoder.trailers, decoder.rest) == (b"hello", True, [], b"")
    assert decode(*[wire[at : at + 1] for at in range(len(wire))])[0] == b"hello"


@pytest.mark.parametrize(
    "wire",
    [
        b" 5\r\nhello",
        b"5x\r\nhello",
        b"0x5\r\nhello",
        b"+5\r\nhello",
        b"-5\r\nhello",
        b"\r\nhello",
        b"5\nhello",
        b"5;a\nhello",
        b"5;a\rb\r\nhello",
        b"5\r\r\nhello",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\r\n0\n\n",
        b"10000000000000000\r\nhello",
        b"5\r\nhello\r\n0\r\nnocolon\r\n\r\n",
        b"5\r\nhello\r\n0\r\nX T: v\r\n\r\n",
        b"5\r\nhello\r\n0\r\n: w\r\n\r\n",
        b"5;" + b"v" * MAX_SIZE_LINE,
    ],
)
def test_refused(wire: bytes) -> None:
    with pytest.raises(ProtocolError) as refused:
        decode(wire)
    assert (refused.value.status, refused.value.details) == (400, "http1.codec_error")


@pytest.mark.parametrize("behind", [b"0\n\n", b"0;x\n\r\n", b"0\r\nno colon\r\n\r\n", b"0\r\nx: \x00\r\n\r\n"])
def test_a_mistake_behind_the_whole_body_does_not_take_it_back(behind: bytes) -> None:
    decoder = ChunkedDecoder(FIELDS)
    assert decoder.feed(b"5\r\nhello\r\n" + behind) == [b"hello"]
    assert decoder.error is not None
    assert not decoder.done


def test_refused_before_its_line_is_complete() -> None:
    """A peer that sends bare line feeds only must not be waited for."""
    for begun in (b"5\n", b"x", b"5\rx", b"5;a\n"):
        with pytest.raises(ProtocolError):
            decode(begun)


def test_sizes_up_to_64_bits() -> None:
    body, decoder = decode(b"FFFFFFFFFFFFFFFF\r\nabc")
    assert body == b"abc"
    assert not decoder.done


def test_trailers() -> None:
    wire = b"1\r\nx\r\n0\r\nX-T: v\r\nEtag: a\r\n b\n\r\n"
    body, decoder = decode(wire)
    assert (body, decoder.done) == (b"x", True)
    assert decoder.trailers == [(b"x-t", b"v"), (b"etag", b"a b")]
    assert decode(*[wire[at : at + 1] for at in range(len(wire))])[1].trailers == decoder.trailers


def test_trailers_with_control_characters_are_refused() -> None:
    with pytest.raises(ProtocolError, match=r"http1\.invalid_characters"):
        decode(b"0\r\nX-T: v\x01\r\n\r\n")


def test_trailers_are_limited() -> None:
    too_long = b"0\r\nX-T: " + b"v" * 61_500
    for end in (b"", b"\r\n\r\n"):
        with pytest.raises(ProtocolError) as refused:
            decode(too_long + end)
        assert (refused.value.status, refused.value.details) == (431, "http1.headers_too_large")


def test_what_follows_the_body_is_kept() -> None:
    _, decoder = decode(b"1\r\nx\r\n0\r\n\r\nGET ", b"/ HTTP/1.1\r\n")
    assert decoder.rest == b"GET / HTTP/1.1\r\n"


def test_end_of_lines() -> None:
    assert end_of_lines(b"\r\nrest", 0) == 2
    assert end_of_lines(b"\nrest", 0) == 1
    assert end_of_lines(b"a: b\r\n\r\nrest", 0) == 8
    assert end_of_lines(b"a: b\n\nrest\r\n\r\n", 0) == 6
    assert end_of_lines(b"a: b\n\r\nrest\n\n", 0) == 7
    assert end_of_lines(b"a: b\r\n", 0) == -1


def test_encode_chunk() -> None:
    assert encode_chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
