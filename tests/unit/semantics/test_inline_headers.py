"""Headers that are one field however often they are sent."""

from __future__ import annotations

from dataplane.semantics.header_map import Field, HeaderMap
from dataplane.semantics.inline_headers import REQUEST, add, joined


def test_repeated_inline_headers_become_one_at_the_first_place() -> None:
    fields: list[Field] = [(b"accept", b"x"), (b"x-a", b"1"), (b"accept", b"y"), (b"accept", b"")]
    assert joined(fields, REQUEST) == [(b"accept", b"x,y,"), (b"x-a", b"1")]


def test_other_headers_stay_as_often_as_they_came() -> None:
    fields: list[Field] = [(b"cookie", b"a=b"), (b"x-a", b"1"), (b"cookie", b"c=d"), (b"x-a", b"1")]
    assert joined(fields, REQUEST) == fields


def test_without_repetition_nothing_is_copied() -> None:
    fields: list[Field] = [(b"accept", b"x"), (b"x-a", b"1")]
    assert joined(fields, REQUEST) is fields


def test_adding_to_one_that_is_there_makes_its_value_grow() -> None:
    headers = HeaderMap([(b"via", b"1.0 fred"), (b"x-a", b"1")])
    add(headers, b"via", b"1.1 ours", REQUEST)
    add(headers, b"x-a", b"2", REQUEST)
    assert headers.fields == [(b"via", b"1.0 fred,1.1 ours"), (b"x-a", b"1"), (b"x-a", b"2")]
