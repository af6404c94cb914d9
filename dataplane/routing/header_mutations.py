"""Applying the header additions and removals of routes, and the edits of others, which come one after the other.

Rule for routes: on each level removals come first, then all values are computed from the headers as they are, then overwrites, then additions.
Not here: which levels there are and in which order (compile.route).
Envoy: HeaderValueOption; configuration/http/http_conn_man/headers, "Custom request/response headers".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dataplane.observe.formatter_context import FormatterContext
from dataplane.routing.route import HeaderAddition, HeaderMutations
from dataplane.semantics import inline_headers
from dataplane.semantics.header_map import HeaderMap, RequestHeaders, ResponseHeaders

if TYPE_CHECKING:
    from dataplane.observe.stream_info import StreamInfo

APPEND_IF_EXISTS_OR_ADD: Final = 0
ADD_IF_ABSENT: Final = 1
OVERWRITE_IF_EXISTS_OR_ADD: Final = 2
OVERWRITE_IF_EXISTS: Final = 3


@dataclass(frozen=True, slots=True)
class HeaderRemoval:
    """`HeaderMutation.remove` and `remove_on_match`: every field whose name matches."""

    matches: Callable[[bytes], object]


HeaderEdit = HeaderAddition | HeaderRemoval


def apply_edits(edits: Iterable[HeaderEdit], request: RequestHeaders, info: StreamInfo) -> None:
    """Change the request's headers, one edit after the other.  Envoy: common.mutation_rules.v3.HeaderMutation."""
    context = FormatterContext(info, request)
    for edit in edits:
        if isinstance(edit, HeaderRemoval):
            request.fields = [field for field in request.fields if not edit.matches(field[0])]
        else:
            apply_additions((edit,), request, context)


def mutate_request(levels: Iterable[HeaderMutations], request: RequestHeaders, info: StreamInfo) -> None:
    """Change the request's headers, level by level."""
    context = FormatterContext(info, request)
    for level in levels:
        for name in level.request_remove:
            request.remove(name)
        if level.request_add:
            apply_additions(level.request_add, request, context)


def mutate_response(
    levels: Iterable[HeaderMutations], request: RequestHeaders, response: ResponseHeaders, info: StreamInfo
) -> None:
    """Change the response's headers, level by level."""
    context = FormatterContext(info, request, response)
    for level in levels:
        for name in level.response_remove:
            response.remove(name)
        if level.response_add:
            apply_additions(level.response_add, response, context)


def apply_additions(additions: Iterable[HeaderAddition], target: HeaderMap, context: FormatterContext) -> None:
    """Add to *target*, one of the context's messages."""
    added: list[tuple[bytes, bytes]] = []
    overwritten: list[tuple[bytes, bytes]] = []
    for addition in additions:
        name, action, value = addition.name, addition.append_action, addition.value
        if not isinstance(value, bytes):
            value = value(context)
        if not value and not addition.keep_empty_value:
            continue
        if action == APPEND_IF_EXISTS_OR_ADD or (action == ADD_IF_ABSENT and name not in target):
            added.append((name, value))
        elif action == OVERWRITE_IF_EXISTS_OR_ADD or (action == OVERWRITE_IF_EXISTS and name in target):
            overwritten.append((name, value))
    for name, value in overwritten:
        target.remove(name)  # the new one goes to the end, as in Envoy
        target.add(name, value)
    inline = inline_headers.REQUEST if target is context.request else inline_headers.RESPONSE
    for name, value in added:
        inline_headers.add(target, name, value, inline)
