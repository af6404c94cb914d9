"""Names keep their spelling, from the parser that reads them to the writer that asks for it."""

from __future__ import annotations

import pytest

from dataplane.semantics.h1_fields import FieldParser
from dataplane.semantics.h1_options import DEFAULT_HTTP1, Http1Options
from dataplane.semantics.header_case import HeaderCase, PreserveCase, proper_case, spelt_lines
from dataplane.semantics.spelt_heads import request_heads, response_heads

KEPT = Http1Options(preserve_case=PreserveCase())


@pytest.mark.parametrize(
    ("name", "expected"),
    [(b"x-request-id", b"X-Request-Id"), (b"1a-b$c", b"1a-B$C"), (b"foo_bar", b"Foo_Bar"), (b"te", b"Te")],
)
def test_proper_case(name: bytes, expected: bytes) -> None:
    assert proper_case(name) == expected


def test_a_request_keeps_the_spelling_of_its_names() -> None:
    headers, *_ = request_heads(FieldParser(), 1000, KEPT).parse(b"GET / HTTP/1.1\r\nHOST: a\r\nX-a: 1\r\nx-A: 2\r\n\r\n")
    assert headers.fields == [(b"x-a", b"1"), (b"x-a", b"2")]
    assert headers.case is not None
    headers.add(b"x-new", b"3")
    assert spelt_lines(headers.fields, headers.case.spell) == [b"X-a: 1", b"X-a: 2", b"x-new: 3"]
    assert headers.case.spell(b"host") == b"HOST"


def test_heads_that_differ_in_case_alone_are_read_each_for_itself() -> None:
    parser = request_heads(FieldParser(), 1000, KEPT)
    spelt = []
    for name in (b"X-One", b"x-one", b"X-One"):
        head = b"GET / HTTP/1.1\r\nHost: a\r\n%b: 1\r\n\r\n" % name
        assert parser.parse_known(head) is None
        case = parser.parse(head)[0].case
        assert case is not None
        spelt.append(case.spell(b"x-one"))
    assert spelt == [b"X-One", b"x-one", b"X-One"]


def test_a_response_keeps_its_reason_only_where_that_is_asked_for() -> None:
    head = b"HTTP/1.1 200 All is well\r\nDATE: now\r\n\r\n"
    plain = response_heads(FieldParser(), 1000, KEPT)
    assert plain.parse_known(head) is None
    case = plain.parse(head)[0].case
    assert case is not None
    assert (case.reason, case.spell(b"date")) == (None, b"DATE")
    telling = Http1Options(preserve_case=PreserveCase(forward_reason_phrase=True))
    case = response_heads(FieldParser(), 1000, telling).parse(head)[0].case
    assert case is not None
    assert case.reason == b"All is well"


def test_a_request_has_no_reason() -> None:
    assert HeaderCase(b"GET /a b\r\n\r\n", PreserveCase(forward_reason_phrase=True)).reason is None


def test_names_that_were_added_may_get_proper_case() -> None:
    case = HeaderCase(b"GET / HTTP/1.1\r\nx-ONE: 1\r\n\r\n", PreserveCase(others_proper=True))
    assert (case.spell(b"x-one"), case.spell(b"x-two")) == (b"x-ONE", b"X-Two")


def test_by_default_a_message_has_no_spelling_of_its_own() -> None:
    assert request_heads(FieldParser(), 1000, DEFAULT_HTTP1).parse(b"GET / HTTP/1.1\r\nHOST: a\r\n\r\n")[0].case is None
    assert response_heads(FieldParser(), 1000, DEFAULT_HTTP1).parse(b"HTTP/1.1 200 OK\r\nDATE: x\r\n\r\n")[0].case is None
