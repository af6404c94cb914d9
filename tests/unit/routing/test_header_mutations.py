"""Adding and removing headers."""

from __future__ import annotations

import pytest

from dataplane.observe.formatter_context import FormatterContext
from dataplane.observe.stream_info import StreamInfo
from dataplane.routing.header_mutations import (
    ADD_IF_ABSENT,
    APPEND_IF_EXISTS_OR_ADD,
    OVERWRITE_IF_EXISTS,
    OVERWRITE_IF_EXISTS_OR_ADD,
    mutate_request,
    mutate_response,
)
from dataplane.routing.route import HeaderAddition, HeaderMutations
from dataplane.semantics.header_map import Field, RequestHeaders, ResponseHeaders


def after(*levels: HeaderMutations, fields: tuple[Field, ...] = ((b"x", b"1"), (b"y", b"2"))) -> list[Field]:
    headers = RequestHeaders(b"GET", b"/", b"h", fields=list(fields))
    mutate_request(levels, headers, StreamInfo())
    return headers.fields


@pytest.mark.parametrize(
    ("action", "present", "absent"),
    [
        (APPEND_IF_EXISTS_OR_ADD, [(b"x", b"1"), (b"x", b"n")], [(b"x", b"n")]),
        (ADD_IF_ABSENT, [(b"x", b"1")], [(b"x", b"n")]),
        (OVERWRITE_IF_EXISTS_OR_ADD, [(b"x", b"n")], [(b"x", b"n")]),
        (OVERWRITE_IF_EXISTS, [(b"x", b"n")], []),
    ],
)
def test_append_actions(action: int, present: list[Field], absent: list[Field]) -> None:
    mutations = HeaderMutations(request_add=(HeaderAddition(b"x", b"n", action),))
    assert after(mutations, fields=((b"x", b"1"),)) == present
    assert after(mutations, fields=()) == absent


def test_removal_comes_before_addition() -> None:
    mutations = HeaderMutations(request_add=(HeaderAddition(b"x", b"n", ADD_IF_ABSENT),), request_remove=(b"x",))
    assert after(mutations) == [(b"y", b"2"), (b"x", b"n")]


def test_overwrites_come_before_additions_and_go_to_the_end() -> None:
    mutations = HeaderMutations(request_add=(HeaderAddition(b"z", b"3"), HeaderAddition(b"x", b"n", OVERWRITE_IF_EXISTS_OR_ADD)))
    assert after(mutations) == [(b"y", b"2"), (b"x", b"n"), (b"z", b"3")]


def test_values_are_computed_from_the_headers_as_they_were() -> None:
    def current(context: FormatterContext) -> bytes:
        assert context.request is not None
        return context.request.get(b"x") or b"none"

    mutations = HeaderMutations(
        request_add=(HeaderAddition(b"x", b"n", OVERWRITE_IF_EXISTS_OR_ADD), HeaderAddition(b"copy", current))
    )
    assert (b"copy", b"1") in after(mutations)


def test_levels_apply_one_after_the_other() -> None:
    first = HeaderMutations(request_add=(HeaderAddition(b"z", b"1", OVERWRITE_IF_EXISTS_OR_ADD),))
    second = HeaderMutations(request_add=(HeaderAddition(b"z", b"2", OVERWRITE_IF_EXISTS_OR_ADD),), request_remove=(b"y",))
    assert after(first, second) == [(b"x", b"1"), (b"z", b"2")]


def test_empty_values_are_left_out_unless_they_are_wanted() -> None:
    assert after(HeaderMutations(request_add=(HeaderAddition(b"z", b""),)), fields=()) == []
    assert after(HeaderMutations(request_add=(HeaderAddition(b"z", b"", 0, True),)), fields=()) == [(b"z", b"")]


def test_headers_of_which_there_is_one_grow() -> None:
    mutations = HeaderMutations(
        request_add=(HeaderAddition(b"accept", b"b"), HeaderAddition(b"vary", b"y")),
        response_add=(HeaderAddition(b"accept", b"b"), HeaderAddition(b"vary", b"y")),
    )
    fields = [(b"accept", b"a"), (b"vary", b"x")]
    assert after(mutations, fields=tuple(fields)) == [(b"accept", b"a,b"), (b"vary", b"x"), (b"vary", b"y")]
    response = ResponseHeaders(200, fields)
    mutate_response((mutations,), RequestHeaders(b"GET", b"/", b"h"), response, StreamInfo())
    assert response.fields == [(b"accept", b"a"), (b"vary", b"x,y"), (b"accept", b"b")]


def test_responses_have_their_own_lists() -> None:
    mutations = HeaderMutations(
        request_add=(HeaderAddition(b"q", b"1"),), response_add=(HeaderAddition(b"r", b"2"),), response_remove=(b"server",)
    )
    response = ResponseHeaders(200, [(b"server", b"s")])
    mutate_response((mutations,), RequestHeaders(b"GET", b"/", b"h"), response, StreamInfo())
    assert response.fields == [(b"r", b"2")]
