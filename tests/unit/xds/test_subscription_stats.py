"""What is counted of a subscription, where it comes from a stream and where it comes from a file."""

from __future__ import annotations

import pytest

from dataplane.observe.stats import StatsStore
from dataplane.xds.subscription_stats import SubscriptionStats


@pytest.mark.parametrize(("is_file", "attempts", "durations"), [(False, 4, {7: 1}), (True, 3, {})])
def test_what_is_an_attempt(is_file: bool, attempts: int, durations: dict[int, int]) -> None:
    """Who wants a name asks a server for it; a file is read, and nothing else."""
    store = StatsStore()
    stats = SubscriptionStats(store.scope, is_file=is_file)
    stats.wanted(["cds."])
    stats.accepted(["cds."], "1", wall=1.0, took=0.007)
    stats.refused(["cds."])
    stats.failed(["cds."])
    counted = {name: counter.value for name, counter in store.counters.items() if counter.value}
    assert counted == {
        "cds.update_attempt": attempts,
        "cds.update_success": 1,
        "cds.update_rejected": 1,
        "cds.update_failure": 1,
    }
    assert store.histogram("cds.update_duration").counts == durations
