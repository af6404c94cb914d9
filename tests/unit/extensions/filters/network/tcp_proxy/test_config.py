"""Which cluster a connection gets, and how long a failed connect waits."""

from __future__ import annotations

from collections import Counter

import pytest

from dataplane.extensions.filters.network.tcp_proxy.config import TcpProxyConfig


def test_clusters_are_chosen_by_weight() -> None:
    config = TcpProxyConfig("edge", (("one", 1), ("three", 4)))
    assert Counter(config.pick_cluster(value) for value in range(400)) == {"one": 100, "three": 300}


@pytest.mark.parametrize(
    ("backoff", "failed", "jitter", "delay"),
    [(None, 1, 0.5, 0.0), ((0.1, 1.0), 1, 0.5, 0.05), ((0.1, 1.0), 3, 0.5, 0.35), ((0.1, 1.0), 9, 0.5, 1.0)],
)
def test_backoff_grows_to_its_limit(backoff: tuple[float, float] | None, failed: int, jitter: float, delay: float) -> None:
    config = TcpProxyConfig("edge", (("up", 1),), backoff=backoff)
    assert config.backoff_delay(failed, jitter) == pytest.approx(delay)
