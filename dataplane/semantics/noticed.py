"""Names of fields that a proxy acts on.

A head without any of them needs nothing but additions.  Who knows which of these a head has says so (`noticed` of RequestHeaders and
ResponseHeaders), so that nobody has to look again: HTTP/1 parsers for the field blocks that they remember, HTTP/2 for every head, the
connection manager for what it adds.
Not here: what is done about them (http.request_headers, http.response_headers, router.request_plan).
"""

from __future__ import annotations

from typing import Final

from dataplane.semantics import forwarded, hop_by_hop
from dataplane.semantics.header_map import Field

REQUEST: Final = (
    hop_by_hop.REQUEST_NAMES
    | forwarded.INTERNAL_ONLY
    | forwarded.EDGE_ONLY
    | {
        forwarded.FORWARDED_FOR,
        b"expect",
        b"referer",
        b"x-envoy-attempt-count",
        b"x-envoy-internal",
        b"x-envoy-upstream-stream-duration-ms",
        b"x-forwarded-client-cert",
        b"x-forwarded-port",
        b"x-forwarded-proto",
        b"x-request-id",
    }
)

RESPONSE: Final = hop_by_hop.RESPONSE_NAMES | {b"date", b"server", b"x-envoy-upstream-canary", b"x-envoy-upstream-service-time"}


def among(names: frozenset[bytes], fields: list[Field]) -> tuple[bytes, ...]:
    """Which of *names* the fields have, in their order."""
    return tuple([name for name, _ in fields if name in names])
