"""What a reset means, and how it is counted."""

from __future__ import annotations

import pytest

from dataplane.api.upstream import StreamReset
from dataplane.observe.stats import StatsStore
from dataplane.semantics import h2_session
from dataplane.upstream.cluster_stats import ConnectionStats
from dataplane.upstream.h2_resets import count_reset, reason_of


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (h2_session.REFUSED_STREAM, StreamReset.REMOTE_REFUSED_STREAM),
        (h2_session.PROTOCOL_ERROR, StreamReset.PROTOCOL_ERROR),
        (h2_session.CONNECT_ERROR, StreamReset.CONNECT_ERROR),
        (h2_session.CANCEL, StreamReset.REMOTE_RESET),
        (h2_session.NO_ERROR, StreamReset.REMOTE_RESET),
    ],
)
def test_reasons(code: int, reason: StreamReset) -> None:
    assert reason_of(code) is reason


@pytest.mark.parametrize(
    ("reason", "counted"),
    [
        (StreamReset.CONNECTION_TERMINATION, "upstream_rq_pending_failure_eject"),
        (StreamReset.PROTOCOL_ERROR, "upstream_rq_tx_reset"),
        (StreamReset.REMOTE_RESET, "upstream_rq_rx_reset"),
        (StreamReset.REMOTE_REFUSED_STREAM, ""),
        (StreamReset.CONNECT_ERROR, ""),
    ],
)
def test_counters(reason: StreamReset, counted: str) -> None:
    store = StatsStore()
    count_reset(ConnectionStats(store.scope("")), reason)
    assert [name for name, counter in store.counters.items() if counter.value] == ([counted] if counted else [])
