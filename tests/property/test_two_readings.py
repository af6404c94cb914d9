"""A head is read by the C parser, by the exact reading, or from memory: all three say the same, or it could be two requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dataplane.base.errors import ProtocolError
from dataplane.semantics.h1_fields import FieldParser
from dataplane.semantics.h1_head import RequestHeadParser, ResponseHeadParser, find_head_end
from tests.support.fuzzing import fuzzed

PIECES = [bytes([byte]) for byte in b'aZ0-_: \t,;"(/?#%@[\x80\xff\x7f']
TEXT = st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join)
KNOWN_NAMES = b"host Host content-length transfer-encoding Transfer-Encoding connection upgrade x te expect".split()
KNOWN_VALUES = [
    b"a.test",
    b"3",
    b"03",
    b"chunked",
    b"Chunked",
    b"gzip, chunked",
    b"close",
    b"keep-alive, upgrade",
    b"websocket",
    b"",
]
NAMES = st.sampled_from(KNOWN_NAMES) | TEXT
VALUES = st.sampled_from(KNOWN_VALUES) | TEXT
COLONS = st.sampled_from([b":", b": ", b":  ", b" :", b""])
LINES = st.tuples(NAMES, COLONS, VALUES, st.sampled_from([b"", b" ", b"\t"])).map(b"".join)
KNOWN_TARGETS = [b"/", b"/a?b", b"*", b"a.test:80", b"http://b.test/x", b"//a", b"/\xff", b"/a b", b""]
TARGETS = st.sampled_from(KNOWN_TARGETS) | TEXT.map(lambda text: b"/" + text)
METHODS = st.sampled_from(b"GET POST HEAD CONNECT OPTIONS get FROB M-SEARCH MSEARCH QUERY".split())
VERSIONS = st.sampled_from(b"HTTP/1.1 HTTP/1.0 HTTP/2.0 HTTP/1.2 http/1.1".split())
REQUEST_LINES = st.tuples(METHODS, TARGETS, VERSIONS).map(b" ".join)
STATUSES = [b"200 OK", b"200", b"204 ", b"101 Up", b"99 x", b"0200 OK", b"404 Not Found", b"200  two", b"200 \xff"]
STATUS_LINES = st.tuples(st.sampled_from([b"HTTP/1.1", b"HTTP/1.0"]), st.sampled_from(STATUSES)).map(b" ".join)

Parser = RequestHeadParser | ResponseHeadParser


class NoHeads:
    """In the place of the C parser: it takes nothing."""

    def fields_of(self, head: bytes) -> None:
        return None


def exact(make: Callable[[], Parser]) -> Any:
    parser: Any = make()
    parser._heads = NoHeads()
    return parser


def verdict(parse: Callable[[bytes], Any], head: bytes) -> object:
    try:
        headers, *framing = parse(head)
    except ProtocolError as error:
        return error.status, error.details
    first = getattr(headers, "method", None), getattr(headers, "path", None), getattr(headers, "authority", None)
    return first, getattr(headers, "status", None), tuple(headers.fields), framing


def agree(make: Callable[[], Parser], data: bytes) -> None:
    head = data[: find_head_end(data)]  # as every caller cuts it
    parser = make()
    expected = verdict(exact(make).parse, head)
    assert verdict(parser.parse, head) == expected
    assert verdict(parser.parse, head) == expected  # now it may come from memory


def lines_of(start_line: bytes, lines: list[bytes]) -> bytes:
    return b"".join(line + b"\r\n" for line in [start_line, *lines]) + b"\r\n"


@given(REQUEST_LINES, st.lists(LINES, max_size=5))
@fuzzed(600)
def test_requests_have_one_reading(start_line: bytes, lines: list[bytes]) -> None:
    agree(lambda: RequestHeadParser(FieldParser()), lines_of(start_line, lines))


@given(STATUS_LINES, st.lists(LINES, max_size=5))
@fuzzed(600)
def test_responses_have_one_reading(start_line: bytes, lines: list[bytes]) -> None:
    agree(lambda: ResponseHeadParser(FieldParser()), lines_of(start_line, lines))
