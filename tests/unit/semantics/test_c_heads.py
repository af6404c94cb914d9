"""What we rely on of aiohttp 3.14's parser classes: they are no stable API."""

from __future__ import annotations

import aiohttp
import pytest

from dataplane.semantics.c_heads import CRequestHeads, CResponseHeads
from dataplane.semantics.h1_fields import FieldParser
from dataplane.semantics.h1_head import RequestHeadParser, ResponseHeadParser


def requests() -> CRequestHeads:
    return CRequestHeads(max_fields=100, max_bytes=60 * 1024)


def responses() -> CResponseHeads:
    return CResponseHeads(max_fields=100, max_bytes=60 * 1024)


def test_the_pinned_series_is_installed_with_its_c_parser() -> None:
    assert aiohttp.__version__.startswith("3.14.")
    from aiohttp.http_parser import HttpRequestParser

    assert HttpRequestParser.__module__ == "aiohttp._http_parser"


def test_fields_come_as_they_were_sent_in_their_order() -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX-B: 1 \r\nx-a:2\r\nX-B: 3\r\n\r\n"
    assert requests().fields_of(head) == ((b"Host", b"a"), (b"X-B", b"1"), (b"x-a", b"2"), (b"X-B", b"3"))


@pytest.mark.parametrize("framing", [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_a_message_is_complete_after_its_head(framing: bytes) -> None:
    parser = requests()
    for _ in range(3):
        assert parser.fields_of(b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n") is not None


@pytest.mark.parametrize(
    "ending",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ],
)
def test_a_head_that_ends_its_connection_leaves_nothing_behind(ending: bytes) -> None:
    parser = requests()
    parser.fields_of(ending)
    assert parser.fields_of(b"GET / HTTP/1.1\r\nHost: c\r\n\r\n") == ((b"Host", b"c"),)


@pytest.mark.parametrize(
    "refused",
    [
        b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHo st: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost",
    ],
)
def test_what_the_parser_does_not_take_is_none(refused: bytes) -> None:
    assert requests().fields_of(refused) is None


def test_responses_of_every_kind_leave_the_parser_usable() -> None:
    parser = responses()
    for head in (
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ):
        assert parser.fields_of(head) is not None, head


def test_a_block_that_comes_again_reads_the_same_and_belongs_to_its_reader() -> None:
    parser = RequestHeadParser(FieldParser())
    head = b"GET /%d HTTP/1.1\r\nHost: a\r\nAccept: x\r\n\r\n"
    first, second = parser.parse(head % 1), parser.parse(head % 2)
    assert second[1:] == first[1:]
    assert (first[0].path, second[0].path) == (b"/1", b"/2")
    assert first[0].fields == second[0].fields == [(b"accept", b"x")]
    second[0].add(b"x", b"y")
    assert parser.parse(head % 3)[0].fields == [(b"accept", b"x")]


def test_a_known_block_does_not_let_a_bad_first_line_through() -> None:
    parser = RequestHeadParser(FieldParser())
    block = b"Host: a\r\n\r\n"
    parser.parse(b"GET / HTTP/1.1\r\n" + block)
    assert parser.parse(b"GET  / HTTP/1.1\r\n" + block)[0].path == b"/"
    with pytest.raises(Exception, match="codec_error"):
        parser.parse(b"FROB / HTTP/1.1\r\n" + block)
    assert parser.parse(b"GET / HTTP/1.0\r\n" + block)[3] == "HTTP/1.0"


def test_a_known_block_does_not_let_a_long_first_line_through() -> None:
    parser = RequestHeadParser(FieldParser(), max_bytes=1000)
    block = b"Host: a\r\n\r\n"
    parser.parse(b"GET / HTTP/1.1\r\n" + block)
    with pytest.raises(Exception, match="headers_too_large"):
        parser.parse(b"GET /" + b"x" * 1000 + b" HTTP/1.1\r\n" + block)
    assert parser.parse_known(b"GET /" + b"x" * 1000 + b" HTTP/1.1\r\n" + block) is None


def test_what_follows_a_known_head_makes_it_unknown() -> None:
    parser = RequestHeadParser(FieldParser())
    head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    parser.parse(head)
    assert parser.parse_known(head) is not None
    assert parser.parse_known(head + b"GET") is None
    assert parser.parse_known(head[:-1]) is None


def test_a_known_block_of_a_response_counts_only_for_the_same_first_line() -> None:
    parser = ResponseHeadParser(FieldParser())
    block = b"Content-Length: 0\r\n\r\n"
    parser.parse(b"HTTP/1.1 200 OK\r\n" + block)
    headers, length, _, _ = parser.parse(b"HTTP/1.1 200 OK\r\n" + block)
    assert (headers.status, length) == (200, 0)
    assert parser.parse(b"HTTP/1.1 204 No Content\r\n" + block)[0].fields == []
