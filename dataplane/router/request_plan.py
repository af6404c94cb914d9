"""What the router decides about a request before it goes anywhere: cluster, times, retries, headers.

Here: the route's action applied to one request, in Envoy's order, which the upstream can see.  Not here: sending it (router.router).
Envoy: Router::Filter::decodeHeaders, RouteEntryImpl::finalizeRequestHeaders.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from dataplane.resilience.retry import REQUEST_HEADERS as RETRY_NAMES
from dataplane.resilience.retry import WORDS, RetryPolicy, policy_for
from dataplane.routing.actions import Timeouts, asked_seconds, decide_timeouts
from dataplane.routing.header_mutations import mutate_request
from dataplane.routing.rewrite import append_forwarded_host, rewrite_target
from dataplane.semantics import noticed
from dataplane.semantics.grpc import is_grpc

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataplane.observe.stream_info import StreamInfo
    from dataplane.routing.route import ForwardAction, HeaderMutations, Route, WeightedCluster
    from dataplane.semantics.header_map import Field, RequestHeaders
    from dataplane.snapshot.http_policies import HttpPolicies

_TOTAL: Final = b"x-envoy-upstream-rq-timeout-ms"
_PER_TRY: Final = b"x-envoy-upstream-rq-per-try-timeout-ms"
_EXPECTED: Final = b"x-envoy-expected-rq-timeout-ms"
ALT_STAT_NAME: Final = b"x-envoy-upstream-alt-stat-name"
ALT_RESPONSE: Final = b"x-envoy-upstream-rq-timeout-alt-response"
_STREAM_DURATION: Final = b"x-envoy-upstream-stream-duration-ms"
ATTEMPT_COUNT: Final = b"x-envoy-attempt-count"

# Request headers that speak to the router; it takes them off.
_TO_ROUTER: Final = RETRY_NAMES | {_TOTAL, _PER_TRY, ALT_STAT_NAME, ALT_RESPONSE, _STREAM_DURATION}
_NOTICED: Final = _TO_ROUTER | {_EXPECTED, ATTEMPT_COUNT}


class RequestWishes:
    """What the request itself asked of the router.  One shared instance says: nothing.

    spoke: it had a header that speaks to the router, or that the router sets.
    stream_duration: in the place of the cluster's, in seconds.  tells_grpc: grpc-timeout shall say how long somebody waits.
    """

    __slots__ = ("alt_response", "alt_stat_name", "policy", "spoke", "stream_duration", "tells_grpc", "times")

    def __init__(
        self,
        times: Timeouts,
        policy: RetryPolicy | None,
        alt_stat_name: str = "",
        alt_response: bool = False,
        spoke: bool = False,
        stream_duration: float | None = None,
        tells_grpc: bool = False,
    ) -> None:
        self.spoke = spoke
        self.stream_duration = stream_duration
        self.tells_grpc = tells_grpc
        self.times = times
        self.policy = policy
        self.alt_stat_name = alt_stat_name
        self.alt_response = alt_response


def take_wishes(
    action: ForwardAction, headers: RequestHeaders, respect_expected: bool, policies: HttpPolicies | None = None
) -> RequestWishes:
    """Read what the request asks for and take it off, over what the route and the cluster say.  policies: the cluster's."""
    policy: RetryPolicy | None = action.retry_policy  # type: ignore[assignment]  # routing does not know it
    hides_route = policies is not None and policies.retry is not None
    if policies is not None:
        policy = policies.retry_policy(policy)
    timeout, tells_grpc = action.timeout, False
    if action.grpc_timeout is not None and is_grpc(headers):
        timeout, tells_grpc = action.grpc_timeout.seconds(headers), True
    names = noticed.among(_NOTICED, headers.fields) if headers.noticed is None else headers.noticed
    spoke = not _NOTICED.isdisjoint(names)
    if not spoke and not tells_grpc and not hides_route and (policy is None or not policy.retriable_request_headers):
        return _nothing_asked(action, policy)
    per_try, idle = _times(policy)
    policy = policy_for(policy, headers)
    if not spoke:
        return RequestWishes(decide_timeouts(timeout, per_try, per_try_idle=idle), policy, tells_grpc=tells_grpc)
    asked = headers.get(_EXPECTED) if respect_expected else None
    wishes = RequestWishes(
        decide_timeouts(timeout, per_try, asked or headers.get(_TOTAL), headers.get(_PER_TRY), idle),
        policy,
        (headers.get(ALT_STAT_NAME) or b"").decode("latin-1"),
        ALT_RESPONSE in headers,
        spoke=True,
        stream_duration=asked_seconds(headers.get(_STREAM_DURATION)),
        tells_grpc=tells_grpc,
    )
    headers.fields = [field for field in headers.fields if field[0] not in _TO_ROUTER]
    return wishes


def _times(policy: RetryPolicy | None) -> tuple[float, float]:
    """How long one try, and its silence, may last."""
    return (0.0, 0.0) if policy is None else (policy.per_try_timeout, policy.per_try_idle_timeout)


def _nothing_asked(action: ForwardAction, policy: RetryPolicy | None) -> RequestWishes:
    """Kept by the action alone: a cache of ours would hold actions of earlier revisions."""
    known: RequestWishes | None = action.unasked  # type: ignore[assignment]  # routing does not know it
    if known is None:
        per_try, idle = _times(policy)
        known = RequestWishes(decide_timeouts(action.timeout, per_try, per_try_idle=idle), policy)
        object.__setattr__(action, "unasked", known)
    return known


@lru_cache(maxsize=256)  # a route has few times; what is left to a retry may be any number
def expected_timeout(milliseconds: int) -> Field:
    """The field that tells the upstream how long somebody waits for it."""
    return _EXPECTED, b"%d" % milliseconds


def find_invalid(headers: RequestHeaders, names: tuple[bytes, ...]) -> bytes:
    """Say which of the headers to be checked strictly cannot be understood; b"" if all can.  Envoy: strict_check_headers."""
    for name in names:
        value = headers.get(name)
        if value is not None and not _is_valid(name, value):
            return b"invalid header '%b' with value '%b'" % (name, value)
    return b""


def _is_valid(name: bytes, value: bytes) -> bool:
    if name in (b"x-envoy-retry-on", b"x-envoy-retry-grpc-on"):
        return all(word.strip() in WORDS for word in value.decode("latin-1").split(","))
    return value.isdigit()


def levels_of(route: Route, choice: WeightedCluster | None) -> tuple[HeaderMutations, ...]:
    """Whose header mutations apply, in order: a weighted choice's come first, even where the most specific win."""
    if choice is None or choice.mutations is None:
        return route.mutations
    return (choice.mutations, *route.mutations)


def rewrite(
    headers: RequestHeaders,
    action: ForwardAction,
    choice: WeightedCluster | None,
    levels: tuple[HeaderMutations, ...],
    info: StreamInfo,
    tell: bool,
) -> None:
    """Apply mutations, then change host and path.  tell: leave the original ones in x-envoy-original-*."""
    if levels:
        mutate_request(levels, headers, info)
    if choice is not None and choice.host_rewrite:
        headers.authority = choice.host_rewrite  # as Envoy: nobody is told, and the route's own rewrite takes it for the original
    if host := _new_host(headers, action):
        set_host(headers, host, action.append_x_forwarded_host, tell)
    if action.rewrite_path is not None:
        rewrite_path(headers, action.rewrite_path, info, tell)


def rewrite_path(headers: RequestHeaders, change: Callable[[bytes], bytes], info: StreamInfo, tell: bool) -> None:
    """Change the path, but not the query.  Redirects do the same before they build their location."""
    before = headers.path
    headers.path = rewrite_target(before, change)
    info.original_path = before
    if tell:
        headers.set(b"x-envoy-original-path", before)


def set_host(headers: RequestHeaders, host: bytes, append_forwarded: bool, tell: bool) -> None:
    if tell and headers.authority != host:
        headers.set(b"x-envoy-original-host", headers.authority)
    if append_forwarded:
        append_forwarded_host(headers)
    headers.authority = host


def _new_host(headers: RequestHeaders, action: ForwardAction) -> bytes:
    """The host that the route asks for, b"" for none."""
    if action.host_rewrite:
        return action.host_rewrite
    if action.host_rewrite_header:
        return headers.get(action.host_rewrite_header) or b""
    if action.host_rewrite_path_regex is not None:
        return action.host_rewrite_path_regex(headers.path.partition(b"?")[0])
    return b""
