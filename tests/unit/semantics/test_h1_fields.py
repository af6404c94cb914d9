"""Field lines: the verdicts are Envoy 1.40's, each tried against it."""

from __future__ import annotations

import pytest

from dataplane.base.errors import ProtocolError
from dataplane.semantics.h1_fields import FieldParser, plain_lines


@pytest.mark.parametrize(
    ("block", "value"),
    [
        (b"X: y\r\n\r\n", b"y"),
        (b"X: \t y \t \r\n\r\n", b"y"),
        (b"X:\r\n\r\n", b""),
        (b"x: y\n\n", b"y"),
        (b"X: y\r\n z\r\n\tw\r\n\r\n", b"y z\tw"),
        (b"X: a\n b\r\n\r\n", b"a b"),
        (b"X:\r\n b\r\n\r\n", b"b"),
        (b"X: a\r\n   \r\n\r\n", b"a"),
        (b"X: a \r\n \t b\r\n\r\n", b"a  \t b"),
        (b"X: a\rb\r\n\r\n", b"ab"),
        (b"X: a\r\r\n\r\n", b"a"),
        (b"X: a\r\r\n b\r\n\r\n", b"a b"),
        (b"X:\ra\r\n\r\n", b"a"),
        (b"X: a\xffb\r\n\r\n", b"a\xffb"),
    ],
)
def test_accepted(block: bytes, value: bytes) -> None:
    assert FieldParser().parse_lines(block) == [(b"x", value)]


@pytest.mark.parametrize(
    "block",
    [
        b"X : y\r\n\r\n",
        b"X\t: y\r\n\r\n",
        b"Xy\r\n\r\n",
        b": y\r\n\r\n",
        b"X(y): y\r\n\r\n",
        b"X\xff: y\r\n\r\n",
        b":path: /y\r\n\r\n",
        b" X: y\r\n\r\n",
        b"X\r: a\r\n\r\n",
        b"\rX: a\r\n\r\n",
        b"X: a\r\n\r b\r\n\r\n",
    ],
)
def test_refused(block: bytes) -> None:
    with pytest.raises(ProtocolError) as refused:
        FieldParser().parse_lines(block)
    assert (refused.value.status, refused.value.details) == (400, "http1.codec_error")


@pytest.mark.parametrize("character", [b"\x00", b"\x01", b"\x0b", b"\x7f"])
def test_control_characters_are_refused(character: bytes) -> None:
    with pytest.raises(ProtocolError, match=r"http1\.invalid_characters"):
        plain_lines(b"X: a" + character + b"\r\n\r\n")


def test_too_many() -> None:
    parser = FieldParser(max_count=3)
    assert len(parser.parse_lines(b"X: y\r\n" * 3 + b"\r\n")) == 3
    with pytest.raises(ProtocolError) as refused:
        parser.parse_lines(b"X: y\r\n" * 4 + b"\r\n")
    assert (refused.value.status, refused.value.details) == (431, "http1.too_many_headers")


def test_a_remembered_name_still_needs_its_colon() -> None:
    parser = FieldParser()
    parser.parse_lines(b"Accept: a\r\n\r\n")
    with pytest.raises(ProtocolError):
        parser.parse_lines(b"Accept\r\n\r\n")


def test_wanted_fields_are_found_on_the_way() -> None:
    found: list[tuple[bytes, bytes]] = []
    fields = FieldParser().parse([b"A: 1", b"Connection: close", b"connection: x"], frozenset({b"connection"}), found)
    assert found == fields[1:] == [(b"connection", b"close"), (b"connection", b"x")]
