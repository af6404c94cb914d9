"""The key that a request's headers make, and the tables that scopes name."""

from __future__ import annotations

import pytest

from dataplane.routing.scopes import Extract, RouteScope, ScopedRoutes, at_index, index_scopes, of_element
from dataplane.semantics.header_map import RequestHeaders

WHOLE = at_index(b"x-one", b"", 0)
SECOND = at_index(b"x-one", b",", 1)
ELEMENT = of_element(b"x-one", b";", b"k", b"=")


def request(*values: bytes) -> RequestHeaders:
    return RequestHeaders(b"GET", b"/path", b"h.test", fields=[(b"x-one", value) for value in values])


@pytest.mark.parametrize(
    ("extract", "values", "expected"),
    [
        (WHOLE, (b"a,b",), b"a,b"),
        (WHOLE, (b"",), b""),
        (WHOLE, (), None),
        (WHOLE, (b"first", b"second"), b"first"),
        (SECOND, (b"a,b,c",), b"b"),
        (SECOND, (b"a, b",), b" b"),
        (SECOND, (b"a,",), b""),
        (SECOND, (b"a",), None),
        (ELEMENT, (b"j=1;k=2;k=3",), b"2"),
        (ELEMENT, (b"k=a=b",), b"a=b"),
        (ELEMENT, (b"k",), b""),
        (ELEMENT, (b" k=1",), None),
        (ELEMENT, (b"j=k",), None),
        (at_index(b":path", b"", 0), (), b"/path"),
        (at_index(b"host", b".", 1), (), b"test"),
    ],
)
def test_fragments(extract: Extract, values: tuple[bytes, ...], expected: bytes | None) -> None:
    assert extract(request(*values)) == expected


def test_a_key_needs_all_its_fragments() -> None:
    routes = ScopedRoutes("n", (SECOND, ELEMENT))
    assert routes.key_of(request(b"a,b")) is None
    assert routes.key_of(request(b"a,;k=1")) == (b";k=1", b"1")


def test_of_two_scopes_with_one_key_the_first_by_name_counts() -> None:
    scopes = {
        each.name: each
        for each in (RouteScope("b", (b"k",), "rb"), RouteScope("a", (b"k",), "ra"), RouteScope("c", (b"l",), "rc"))
    }
    assert index_scopes(scopes) == {(b"k",): "ra", (b"l",): "rc"}
