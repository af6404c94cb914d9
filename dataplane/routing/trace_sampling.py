"""Whether a request is traced: by chance that its id holds, or because somebody asks for it.

Here: the decision, which the id of the request carries on.  Not here: tracers; there are none, but those behind us follow the id.
Envoy: ConnectionManagerUtility::mutateTracingRequestHeader.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dataplane.semantics import request_id

if TYPE_CHECKING:
    from dataplane.semantics.header_map import RequestHeaders

_LOTS: Final = 10_000

Parts = tuple[int, int]
"""Numerator and denominator."""

ALL: Final[Parts] = (100, 100)


@dataclass(frozen=True, slots=True)
class TraceSampling:
    """How many requests are traced: of those that a client wants traced, of all others, and at most.

    Envoy: HttpConnectionManager.Tracing, route.v3.Tracing.
    """

    client: Parts = ALL
    random: Parts = ALL
    overall: Parts = ALL


@dataclass(frozen=True, slots=True)
class RequestIdOptions:
    """`UuidRequestIdConfig`.  pack_trace_reason: the id says why its request is traced.  decides: the id is the lot that is drawn."""

    pack_trace_reason: bool = True
    decides: bool = True


DEFAULT_REQUEST_ID: Final = RequestIdOptions()


def decide(headers: RequestHeaders, sampling: TraceSampling, options: RequestIdOptions, random_value: int) -> bytes:
    """Why the request is traced, as semantics.request_id says it; it is written into its id.

    random_value: what is drawn where a client wants a trace; as in Envoy, the id does not decide there.
    """
    if not options.decides:
        return request_id.SAMPLED
    held = headers.joined(request_id.HEADER) or b""
    number = request_id.number_of(held)
    if number is None:
        return request_id.NOT_TRACED
    lot = number % _LOTS
    before = reason = request_id.reason_of(held) if options.pack_trace_reason else request_id.NOT_TRACED
    if reason == request_id.NOT_TRACED:
        reason = _reason(headers, sampling, lot, random_value)
    if reason != request_id.NOT_TRACED and not _is_among(lot, sampling.overall):
        reason = request_id.NOT_TRACED
    if options.pack_trace_reason and reason != before:
        request_id.set_reason(headers, reason)
    return reason


def _reason(headers: RequestHeaders, sampling: TraceSampling, lot: int, random_value: int) -> bytes:
    if b"x-client-trace-id" in headers and _is_among(random_value, sampling.client):
        return request_id.FORCED_BY_CLIENT
    if b"x-envoy-force-trace" in headers:
        return request_id.FORCED_BY_SERVICE
    return request_id.SAMPLED if _is_among(lot, sampling.random) else request_id.NOT_TRACED


def _is_among(lot: int, parts: Parts) -> bool:
    numerator, denominator = parts
    return lot % denominator < numerator
