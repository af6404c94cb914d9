"""How long a stream may take in all: a route's max_stream_duration, and what grpc-timeout of a request makes of it.

Pure; times in milliseconds, as Envoy counts and gRPC says them.  Not here: arming (http.stream_times), a route's timeout (routing.actions).
Envoy: RouteAction.MaxStreamDuration; ActiveStream::refreshDurationTimeout, FilterUtility::finalTimeout.
"""

from __future__ import annotations

from dataclasses import dataclass

from dataplane.semantics import grpc
from dataplane.semantics.header_map import RequestHeaders


@dataclass(frozen=True, slots=True)
class StreamDuration:
    """`MaxStreamDuration`.  duration_ms: None for the connection manager's; grpc_max_ms: None where grpc-timeout counts for nothing.

    0 is no limit at all for duration_ms, and any timeout that a request asks for for grpc_max_ms.
    """

    duration_ms: int | None = None
    grpc_max_ms: int | None = None
    grpc_offset_ms: int = 0

    def apply(self, headers: RequestHeaders, default_ms: int) -> int | None:
        """How long the stream may take from its beginning, None for any time; a gRPC request tells the upstream of it.

        default_ms: the connection manager's limit, 0 for none.
        """
        limit = self._limit(headers, default_ms)
        if grpc.is_grpc(headers):
            if limit is not None:
                headers.set(grpc.TIMEOUT, grpc.format_timeout(limit))
            elif default_ms:
                headers.remove(grpc.TIMEOUT)  # as Envoy: only where a limit was lifted
        return limit

    def _limit(self, headers: RequestHeaders, default_ms: int) -> int | None:
        asked = None if self.grpc_max_ms is None else grpc.timeout_ms(headers)
        if asked is None:
            return (default_ms if self.duration_ms is None else self.duration_ms) or None
        if self.grpc_max_ms:
            asked = min(asked, self.grpc_max_ms)
        return max(0, asked - self.grpc_offset_ms)


@dataclass(frozen=True, slots=True)
class GrpcTimeout:
    """The deprecated `max_grpc_timeout` and `grpc_timeout_offset`: what takes the place of a route's timeout for gRPC requests."""

    max_ms: int
    offset_ms: int = 0

    def seconds(self, headers: RequestHeaders) -> float:
        """0: none.  A request that does not say asks for no limit."""
        asked = grpc.timeout_ms(headers) or 0
        if self.offset_ms < asked:
            asked -= self.offset_ms
        if self.max_ms and (not asked or asked > self.max_ms):
            asked = self.max_ms
        return asked / 1000
