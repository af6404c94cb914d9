"""What parsers remember of field blocks, and that it covers what those behind them look for."""

from __future__ import annotations

from dataplane.router import request_plan
from dataplane.semantics import noticed
from dataplane.semantics.h1_fields import FieldParser
from dataplane.semantics.h1_head import RequestHeadParser, ResponseHeadParser


def test_the_router_looks_for_nothing_that_would_not_be_noticed() -> None:
    assert request_plan._NOTICED <= noticed.REQUEST


def test_a_block_that_comes_again_says_what_is_to_be_noticed() -> None:
    parser = RequestHeadParser(FieldParser())
    head = b"GET / HTTP/1.1\r\nhost: a\r\nx-request-id: 1\r\naccept: */*\r\nx-envoy-retry-on: 5xx\r\n\r\n"
    assert parser.parse(head)[0].noticed is None
    assert parser.parse(head)[0].noticed == (b"x-request-id", b"x-envoy-retry-on")


def test_a_response_block_that_comes_again_says_what_is_to_be_noticed() -> None:
    parser = ResponseHeadParser(FieldParser())
    head = b"HTTP/1.1 200 OK\r\nserver: a\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\n"
    assert parser.parse_known(head) is None
    first, length, persists, _ = parser.parse(head)
    assert first.noticed is None
    known = parser.parse_known(head + b"x")
    assert known is not None
    again, *framing = known
    assert (again.status, again.fields, again.noticed) == (200, first.fields, (b"server", b"connection"))
    assert framing == [length, persists, len(head)]


def test_half_a_known_head_is_not_known() -> None:
    parser = ResponseHeadParser(FieldParser())
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n"
    parser.parse(head)
    assert all(parser.parse_known(head[:length]) is None for length in range(len(head)))
    assert parser.parse_known(head.replace(b"200", b"201")) is None
