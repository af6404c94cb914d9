"""Why a stream to an HTTP/2 host ended early, and how that is counted.

Here: error codes to reasons, reasons to counters.  Not here: ending the stream (h2_reader), what the router makes of it.
Envoy: Http2::ConnPoolImpl, MultiplexedActiveClientBase::onStreamReset; the counters are not those of HTTP/1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dataplane.api.upstream import StreamReset
from dataplane.semantics import h2_session

if TYPE_CHECKING:
    from dataplane.upstream.cluster_stats import ConnectionStats

_REASONS: Final = {
    h2_session.REFUSED_STREAM: StreamReset.REMOTE_REFUSED_STREAM,
    h2_session.PROTOCOL_ERROR: StreamReset.PROTOCOL_ERROR,
    h2_session.CONNECT_ERROR: StreamReset.CONNECT_ERROR,
}


def reason_of(code: int) -> StreamReset:
    """What the host means by a RST_STREAM with *code*."""
    return _REASONS.get(code, StreamReset.REMOTE_RESET)


def count_reset(stats: ConnectionStats, reason: StreamReset) -> None:
    """Count one stream that ended early.  A refused one is none of the host's resets, nor of ours."""
    if reason is StreamReset.CONNECTION_TERMINATION:
        stats.rq_pending_failure_eject.value += 1
    elif reason is StreamReset.PROTOCOL_ERROR:
        stats.rq_tx_reset.value += 1
    elif reason is StreamReset.REMOTE_RESET:
        stats.rq_rx_reset.value += 1
