"""May a request be tried again?  Policies and the decisions they make, without I/O, clock or chance.

Here: what a policy allows after a response or a reset, how many times, and how long to wait.  Not here: retry budgets
(resilience.budget), circuit breakers, sending the next attempt (router).
Envoy: config.route.v3.RetryPolicy; configuration/http/http_filters/router_filter, "x-envoy-retry-on".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from dataplane.semantics.header_map import HeaderMap, RequestHeaders, ResponseHeaders

HeaderPredicate = Callable[[HeaderMap], bool]


class RetriedHost(Protocol):
    """What a predicate may look at.  metadata: namespace → fields."""

    canary: bool
    metadata: Mapping[str, object]


HostPredicate = Callable[[RetriedHost], bool]

# Bits of RetryPolicy.retry_on, by the word that sets them.
WORDS: Final[dict[str, int]] = {
    word: 1 << bit
    for bit, word in enumerate(
        (
            "5xx",
            "gateway-error",
            "connect-failure",
            "envoy-ratelimited",
            "retriable-4xx",
            "refused-stream",
            "retriable-status-codes",
            "retriable-headers",
            "reset",
            "reset-before-request",
            "http3-post-connect-failure",
            "cancelled",
            "deadline-exceeded",
            "internal",
            "resource-exhausted",
            "unavailable",
        )
    )
}
_5XX: Final = WORDS["5xx"]
_GATEWAY_ERROR: Final = WORDS["gateway-error"]
_CONNECT_FAILURE: Final = WORDS["connect-failure"]
_RATE_LIMITED: Final = WORDS["envoy-ratelimited"]
_RETRIABLE_4XX: Final = WORDS["retriable-4xx"]
_REFUSED_STREAM: Final = WORDS["refused-stream"]
_STATUS_CODES: Final = WORDS["retriable-status-codes"]
_HEADERS: Final = WORDS["retriable-headers"]
_RESET: Final = WORDS["reset"]
_RESET_BEFORE_REQUEST: Final = WORDS["reset-before-request"]
_GRPC: Final = {
    b"1": WORDS["cancelled"],
    b"4": WORDS["deadline-exceeded"],
    b"8": WORDS["resource-exhausted"],
    b"13": WORDS["internal"],
    b"14": WORDS["unavailable"],
}
_ANY_GRPC: Final = sum(_GRPC.values())
_OF_ANY_STATUS: Final = _RATE_LIMITED | _STATUS_CODES | _HEADERS | _ANY_GRPC

REQUEST_HEADERS: Final = frozenset(
    {
        b"x-envoy-retry-on",
        b"x-envoy-retry-grpc-on",
        b"x-envoy-max-retries",
        b"x-envoy-retriable-status-codes",
        b"x-envoy-retriable-header-names",
        b"x-envoy-hedge-on-per-try-timeout",
    }
)
"""Request headers that speak to the router about retries; it removes them before the request goes on."""


def parse_retry_on(text: str) -> int:
    """Bits for a comma list of words.  Unknown words count for nothing, as in Envoy."""
    bits = 0
    for word in text.split(","):
        bits |= WORDS.get(word.strip(), 0)
    return bits


@dataclass(frozen=True, slots=True)
class ResetHeader:
    """A response header that tells when to come back.  unix_timestamp: in calendar seconds, else in seconds from now."""

    name: bytes
    unix_timestamp: bool = False


@dataclass(frozen=True, slots=True)
class RateLimitedBackOff:
    """`RateLimitedRetryBackOff`: wait for as long as a response asks for, if that is no longer than max_interval."""

    reset_headers: tuple[ResetHeader, ...]
    max_interval: float = 300.0

    def delay(self, response: ResponseHeaders, wall: float) -> float | None:
        """Seconds to wait, before jitter; None where the response does not say or says too much."""
        for header in self.reset_headers:
            value = response.get(header.name)
            if value is None or not value.isdigit() or len(value) > 18:
                continue
            seconds = int(value) - (wall if header.unix_timestamp else 0.0)
            if 0 < seconds <= self.max_interval:
                return seconds
        return None


@dataclass(frozen=True, slots=True, eq=False)
class RetryPolicy:
    """`RetryPolicy`, or what request headers made of it.  Times in seconds, 0 for none.  Told apart by identity, which is quick to hash."""

    retry_on: int = 0
    num_retries: int = 1
    per_try_timeout: float = 0.0
    per_try_idle_timeout: float = 0.0
    base_interval: float = 0.025
    max_interval: float = 0.25
    retriable_status_codes: frozenset[int] = frozenset()
    retriable_headers: tuple[HeaderPredicate, ...] = ()
    retriable_request_headers: tuple[HeaderPredicate, ...] = ()
    rate_limited: RateLimitedBackOff | None = None
    avoid_previous_hosts: bool = False
    avoids: tuple[HostPredicate, ...] = ()  # other hosts that a retry does not want
    host_selection_attempts: int = 1
    priority_update_frequency: int = 0  # see resilience.retry_priority; 0: priorities as for any request

    @property
    def is_choosy(self) -> bool:
        """Whether retries care where they go."""
        return self.avoid_previous_hosts or bool(self.avoids) or bool(self.priority_update_frequency)

    def after_response(self, response: ResponseHeaders) -> bool:
        """Whether a response with this head asks for another try."""
        on, status = self.retry_on, response.status
        if status < 400 and not on & _OF_ANY_STATUS:
            return False
        if b"x-envoy-ratelimited" in response:
            return bool(on & _RATE_LIMITED)
        if on & _5XX and 500 <= status < 600:
            return True
        if on & _GATEWAY_ERROR and 502 <= status <= 504:
            return True
        if on & _RETRIABLE_4XX and status == 409:
            return True
        if on & _STATUS_CODES and status in self.retriable_status_codes:
            return True
        if on & _HEADERS and any(matches(response) for matches in self.retriable_headers):
            return True
        if on & _ANY_GRPC:
            grpc_status = response.get(b"grpc-status")
            return grpc_status is not None and bool(on & _GRPC.get(grpc_status, 0))
        return False

    def after_reset(self, *, connect_failure: bool, refused_stream: bool, request_sent: bool) -> bool:
        """Whether the end of an attempt without a response asks for another.

        connect_failure: no connection was had.  request_sent: some of the request went out.  A per-try timeout is a reset, too.
        An overflow of a circuit breaker is never tried again: do not ask.
        """
        on = self.retry_on
        if on & (_5XX | _GATEWAY_ERROR | _RESET):
            return True
        if on & _RESET_BEFORE_REQUEST and not request_sent:
            return True
        return bool(on & _REFUSED_STREAM and refused_stream) or bool(on & _CONNECT_FAILURE and connect_failure)

    def delay(self, retry: int, jitter: float) -> float:
        """Seconds before retry number *retry* (from 1): full jitter, the bound doubles each time up to max_interval.

        jitter: sample in [0, 1) drawn by the caller.
        """
        bound = self.base_interval * (1 << min(retry - 1, 32))
        return jitter * min(bound, self.max_interval)


_NO_POLICY: Final = RetryPolicy()


def policy_for(policy: RetryPolicy | None, request: RequestHeaders) -> RetryPolicy | None:
    """The route's policy as the request's own headers change it; None where nothing is to be tried again."""
    asked = [(name, value) for name, value in request.fields if name in REQUEST_HEADERS]
    if not asked:
        return policy if policy is None or _request_allows(policy, request) else None
    base = policy or _NO_POLICY
    changed = _apply_headers(base, dict(asked))
    return changed if changed.retry_on and _request_allows(changed, request) else None


def _request_allows(policy: RetryPolicy, request: RequestHeaders) -> bool:
    wanted = policy.retriable_request_headers
    return not wanted or any(matches(request) for matches in wanted)


def _apply_headers(policy: RetryPolicy, asked: dict[bytes, bytes]) -> RetryPolicy:
    retry_on = policy.retry_on
    for name in (b"x-envoy-retry-on", b"x-envoy-retry-grpc-on"):
        retry_on |= parse_retry_on(asked.get(name, b"").decode("latin-1"))
    most = asked.get(b"x-envoy-max-retries", b"")
    names = _list(asked.get(b"x-envoy-retriable-header-names", b""))
    codes = _list(asked.get(b"x-envoy-retriable-status-codes", b""))
    return replace(
        policy,
        retry_on=retry_on,
        num_retries=int(most) if most.isdigit() and len(most) < 10 else policy.num_retries,
        retriable_headers=policy.retriable_headers + tuple(_has(name.lower()) for name in names),
        retriable_status_codes=policy.retriable_status_codes | _numbers(codes),
    )


def _has(name: bytes) -> HeaderPredicate:
    return lambda headers: name in headers


def _list(value: bytes) -> list[bytes]:
    return [item.strip() for item in value.split(b",") if item.strip()]


def _numbers(items: Iterable[bytes]) -> frozenset[int]:
    return frozenset(int(item) for item in items if item.isdigit() and len(item) < 10)
