"""What a route's action decides for one request: the cluster and the time it may take.

Pure: chance comes in as random_value, headers as values.  Not here: finding the route (routing.table), retries (resilience.retry).
Envoy: RouteAction.cluster_specifier, RouteAction.timeout; configuration/http/http_filters/router_filter, "x-envoy-upstream-rq-timeout-ms".
"""

from __future__ import annotations

from typing import Final, NamedTuple

from dataplane.routing.route import ForwardAction, WeightedCluster
from dataplane.semantics.header_map import RequestHeaders

_MAX_U64: Final = (1 << 64) - 1
_ROUNDING: Final = 1e-6  # parts of a millisecond are cut off, but 0.3 s are 300 ms whatever floats make of them


def choose_cluster(action: ForwardAction, headers: RequestHeaders, random_value: int) -> tuple[str, WeightedCluster | None]:
    """The cluster's name ("" where the header that should name it is missing), and the weighted choice that gave it."""
    if action.cluster:
        return action.cluster, None
    if not action.weighted_clusters:
        return _named_by(action.cluster_header, headers), None
    choice = choose_weighted(action, headers, random_value)
    return choice.name or _named_by(choice.cluster_header, headers), choice


def choose_weighted(action: ForwardAction, headers: RequestHeaders, random_value: int) -> WeightedCluster:
    """The choice whose share of the total weight holds random_value; a header may give the number instead."""
    if action.weight_header:
        given = _unsigned(headers.get(action.weight_header))
        random_value = random_value if given is None else given
    choices = action.weighted_clusters
    point = random_value % action.total_weight
    for choice in choices:
        point -= choice.weight
        if point < 0:
            return choice
    raise AssertionError("the weights add up to total_weight")


class Timeouts(NamedTuple):
    """Seconds, 0 for none.  expected_ms: what to tell the upstream in x-envoy-expected-rq-timeout-ms, 0 for nothing."""

    total: float
    per_try: float
    expected_ms: int
    per_try_idle: float = 0.0  # between two signs of life of one try


def decide_timeouts(
    route_timeout: float,
    per_try_timeout: float,
    asked_total_ms: bytes | None = None,
    asked_per_try_ms: bytes | None = None,
    per_try_idle: float = 0.0,
) -> Timeouts:
    """Combine the route's times with the request's own wishes.

    asked_total_ms, asked_per_try_ms: values of x-envoy-upstream-rq-timeout-ms and x-envoy-upstream-rq-per-try-timeout-ms.
    A time for one try that is not below the whole counts for nothing.
    """
    total = _or_default(asked_total_ms, route_timeout)
    per_try = _or_default(asked_per_try_ms, per_try_timeout)
    if total and per_try >= total:
        per_try = 0.0
    return Timeouts(total, per_try, int((per_try or total) * 1000 + _ROUNDING), per_try_idle)


def expected_after(times: Timeouts, spent_ms: int) -> int:
    """What to tell the upstream of a retry, spent_ms after the request was complete.  Never 0 unless nothing is to be told: 0 is for ever."""
    if not times.total or not times.expected_ms:
        return times.expected_ms
    return max(1, min(times.expected_ms, int(times.total * 1000 + _ROUNDING) - spent_ms))


def asked_seconds(milliseconds: bytes | None) -> float | None:
    """What a header asks for that counts in milliseconds; None where it says nothing."""
    number = _unsigned(milliseconds)
    return None if number is None else number / 1000


def _or_default(asked_ms: bytes | None, default: float) -> float:
    asked = asked_seconds(asked_ms)
    return default if asked is None else asked


def _named_by(header: bytes, headers: RequestHeaders) -> str:
    if not header:
        return ""
    value = headers.pseudo(header) if header[:1] == b":" else headers.get(header)
    return (value or b"").decode("utf-8", "replace")


def _unsigned(value: bytes | None) -> int | None:
    """A decimal number of 64 bits, None for anything else."""
    if value is None or not value.isdigit() or len(value) > 20:
        return None
    number = int(value)
    return number if number <= _MAX_U64 else None
