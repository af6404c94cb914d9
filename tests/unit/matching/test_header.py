"""Header and query predicates.  The answers of Envoy 1.40 to the same questions were tried out one by one."""

from __future__ import annotations

import pytest

from dataplane.matching import header, string
from dataplane.semantics.header_map import RequestHeaders, ResponseHeaders

A = string.exact(b"a")


def request(*values: bytes) -> RequestHeaders:
    return RequestHeaders(b"GET", b"/p", b"host.example", fields=[(b"other", b"a"), *((b"x", value) for value in values)])


def test_one_matching_value_of_a_repeated_header_is_enough() -> None:
    matches = header.value_matches(b"x", A)
    assert matches(request(b"b", b"a"))
    assert not matches(request(b"a,b"))
    assert not matches(request())


def test_inverted_none_of_the_values_may_match() -> None:
    matches = header.value_matches(b"x", A, invert=True)
    assert matches(request(b"b", b"c"))
    assert not matches(request(b"b", b"a"))


def test_an_absent_header_matches_nothing_inverted_or_not() -> None:
    assert not header.value_matches(b"x", A)(request())
    assert not header.value_matches(b"x", A, invert=True)(request())


def test_an_absent_header_may_be_taken_as_empty() -> None:
    assert header.value_matches(b"x", string.exact(b""), missing_is_empty=True)(request())
    assert header.value_matches(b"x", A, invert=True, missing_is_empty=True)(request())
    assert not header.value_matches(b"x", A, missing_is_empty=True)(request())


@pytest.mark.parametrize(
    ("name", "value"), [(b":path", b"/p"), (b":authority", b"host.example"), (b"host", b"host.example"), (b":method", b"GET")]
)
def test_pseudo_headers_are_headers(name: bytes, value: bytes) -> None:
    assert header.value_matches(name, string.exact(value))(request())
    assert header.present(name)(request())
    assert not header.present(b":protocol")(request())
    assert not header.value_matches(b":protocol", A, invert=True)(request())


def test_the_status_of_a_response_is_a_header() -> None:
    assert header.value_matches(b":status", string.exact(b"503"))(ResponseHeaders(503))


@pytest.mark.parametrize(
    ("expected", "invert", "there", "missing"),
    [(True, False, True, False), (False, False, False, True), (True, True, False, True), (False, True, True, False)],
)
def test_presence(expected: bool, invert: bool, there: bool, missing: bool) -> None:
    matches = header.present(b"x", expected=expected, invert=invert)
    assert matches(request(b"")) is there
    assert matches(request()) is missing


def test_presence_of_what_is_taken_as_empty_does_not_look() -> None:
    assert header.present(b"x", missing_is_empty=True)(request())
    assert not header.present(b"x", expected=False, missing_is_empty=True)(request(b"1"))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"5", 5),
        (b"-5", -5),
        (b"+5", 5),
        (b" 5 ", 5),
        (b"5.0", None),
        (b"", None),
        (b"0x5", None),
        (b"9223372036854775807", (1 << 63) - 1),
        (b"9223372036854775808", None),
        (b"1" * 5000, None),
    ],
)
def test_integers_are_read_as_64_bits(text: bytes, number: int | None) -> None:
    assert header.parse_integer(text) == number


def test_a_range_excludes_its_end() -> None:
    inside = header.in_range(-5, 10)
    assert inside(b"-5")
    assert inside(b"9")
    assert not inside(b"10")
    assert not inside(b"nine")


def test_all_headers_must_match() -> None:
    both = header.all_headers([header.present(b"x"), header.present(b"other")])
    assert both(request(b"1"))
    assert not both(request())
    assert header.all_headers([])(request())


def test_the_first_value_of_a_query_parameter_counts_as_written() -> None:
    parameters = header.parse_query(b"a=1&a=2&b&c=%20x&=v&&d=e=f")
    assert parameters == {b"a": b"1", b"b": b"", b"c": b"%20x", b"": b"v", b"d": b"e=f"}


def test_query_predicates() -> None:
    assert header.query_matches(b"a", A)({b"a": b"a"})
    assert not header.query_matches(b"a", A)({b"a": b"b"})
    assert not header.query_matches(b"a", A)({})
    assert header.query_present(b"a")({b"a": b""})
    assert header.query_present(b"a", expected=False)({})
    assert not header.query_present(b"a", expected=False)({b"a": b"1"})
