"""Answers that need no upstream: direct responses, redirects, and what a route adds to every answer made for it.

Envoy: DirectResponseEntry, RedirectAction; response_headers_to_add of the route, its virtual host and configuration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataplane.router.request_plan import rewrite_path
from dataplane.routing.header_mutations import mutate_response
from dataplane.routing.route import DirectResponse, RedirectAction
from dataplane.semantics.header_map import ResponseHeaders

if TYPE_CHECKING:
    from dataplane.api.http_filter import HttpStream
    from dataplane.observe.stats import Scope
    from dataplane.routing.route import Action, HeaderMutations
    from dataplane.semantics.header_map import Field, RequestHeaders


class RouterStats:
    """`http.<stat_prefix>.`, the part that is the router's."""

    def __init__(self, scope: Scope) -> None:
        self.no_route = scope.counter("no_route")
        self.no_cluster = scope.counter("no_cluster")
        self.rq_total = scope.counter("rq_total")
        self.rq_direct_response = scope.counter("rq_direct_response")
        self.rq_redirect = scope.counter("rq_redirect")
        self.rq_reset_after_downstream_response_started = scope.counter("rq_reset_after_downstream_response_started")
        scope.counter("rq_overload_local_reply")
        for reason in ("bad_location", "no_route", "predicate", "too_many_redirects", "unsafe_scheme"):
            scope.counter(f"passthrough_internal_redirect_{reason}")


def answer_directly(
    stream: HttpStream,
    action: Action,
    levels: tuple[HeaderMutations, ...],
    headers: RequestHeaders,
    stats: RouterStats,
    tell: bool = True,
) -> None:
    """Carry out an action that forwards nothing.  tell: leave the path before a rewrite in x-envoy-original-path."""
    if isinstance(action, RedirectAction):
        if action.rewrite_path is not None:
            rewrite_path(headers, action.rewrite_path, stream.info, tell)
        stats.rq_direct_response.inc()  # as Envoy: rq_redirect stays 0
        location = (b"location", action.location(headers))
        added = route_headers(levels, headers, stream, action.status, (location,))
        stream.local_reply(action.status, details="direct_response", headers=added)
    elif isinstance(action, DirectResponse):
        stats.rq_direct_response.inc()
        own = ((b"location", _own_uri(headers)),) if action.status == 201 or 300 <= action.status < 400 else ()
        added = route_headers(levels, headers, stream, action.status, own)
        stream.local_reply(action.status, action.body, details="direct_response", headers=added)
    else:  # only gRPC servers know what a NonForwardingAction is
        stream.local_reply(500, details="route_not_found")


def _own_uri(headers: RequestHeaders) -> bytes:
    """Where the request wanted to go.  As Envoy: such statuses have a location (RFC 9110 section 10.2.2), and there is no other."""
    return b"%b://%b%b" % (headers.scheme, headers.authority, headers.path)


def route_headers(
    levels: tuple[HeaderMutations, ...], request: RequestHeaders, stream: HttpStream, status: int, own: tuple[Field, ...]
) -> tuple[Field, ...]:
    """The fields of an answer we make for a matched route: *own*, changed as the route changes every response."""
    if not levels:
        return own
    headers = ResponseHeaders(status, list(own))
    mutate_response(levels, request, headers, stream.info)
    return tuple(headers.fields)
