"""Why an attempt failed, in Envoy's words: status, response flag, details, body.

Here: tables and texts, pure.  Not here: what is done about it (router.router, router.retries).
Envoy: Router::Filter::onUpstreamAbort, streamResetReasonToResponseFlag.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from dataplane.api.upstream import PoolFailure, StreamReset
from dataplane.observe import flags

OVERLOADED: Final = (b"x-envoy-overloaded", b"true")


class Failure(NamedTuple):
    """The end of an attempt without a (whole) response.  transport: the transport's own words, b"" or Envoy's form of them."""

    status: int
    flag: int
    reason: str
    transport: str = ""
    connect_failure: bool = False
    overflow: bool = False
    refused: bool = False

    @property
    def details(self) -> str:
        """Inside the braces of `upstream_reset_before_response_started{...}`."""
        text = f"{self.reason}|{self.transport}" if self.transport else self.reason
        return text.replace(" ", "_")


_POOL_FLAGS: Final = {
    PoolFailure.OVERFLOW: flags.UPSTREAM_OVERFLOW,
    PoolFailure.LOCAL_CONNECTION_FAILURE: flags.UPSTREAM_CONNECTION_FAILURE,
    PoolFailure.REMOTE_CONNECTION_FAILURE: flags.UPSTREAM_CONNECTION_FAILURE,
    PoolFailure.TIMEOUT: flags.UPSTREAM_CONNECTION_FAILURE,
}
_RESET_FLAGS: Final = {
    StreamReset.CONNECTION_TERMINATION: flags.UPSTREAM_CONNECTION_TERMINATION,
    StreamReset.REMOTE_RESET: flags.UPSTREAM_REMOTE_RESET,
    StreamReset.REMOTE_REFUSED_STREAM: flags.UPSTREAM_REMOTE_RESET,
    StreamReset.CONNECT_ERROR: flags.UPSTREAM_REMOTE_RESET,
    StreamReset.LOCAL_RESET: flags.LOCAL_RESET,
    StreamReset.PROTOCOL_ERROR: flags.UPSTREAM_PROTOCOL_ERROR,
    StreamReset.OVERFLOW: flags.UPSTREAM_OVERFLOW,
}


def of_pool(reason: PoolFailure, details: str) -> Failure:
    overflow = reason is PoolFailure.OVERFLOW
    return Failure(503, _POOL_FLAGS[reason], reason.value, details, connect_failure=not overflow, overflow=overflow)


def of_reset(reason: StreamReset) -> Failure:
    """The codec's own details stay out: Envoy names only the reason."""
    return Failure(
        status=502 if reason is StreamReset.PROTOCOL_ERROR else 503,
        flag=_RESET_FLAGS[reason],
        reason=reason.value,
        overflow=reason is StreamReset.OVERFLOW,
        refused=reason is StreamReset.REMOTE_REFUSED_STREAM,
    )


def body(failure: Failure, retried: bool) -> bytes:
    """The text of the local reply."""
    which = "retried and the latest reset reason" if retried else "reset reason"
    return f"upstream connect error or disconnect/reset before headers. {which}: {failure.reason}".encode()
