"""What pools are made with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dataplane.observe.stats import StatsStore
from dataplane.semantics.h2_options import Http2Options
from dataplane.snapshot.cluster import Cluster, DiscoveryType, HttpProtocolOptions
from dataplane.upstream.pools import http2_settings

RUNTIME: Any = SimpleNamespace(loop=SimpleNamespace(call_soon=None), chance=None)


@pytest.mark.parametrize(("window", "limit", "expected"), [(70_000, 1 << 20, 1 << 20), (2 << 20, 1 << 20, 2 << 20)])
def test_as_much_of_a_request_may_wait_as_of_a_response(window: int, limit: int, expected: int) -> None:
    http = HttpProtocolOptions(protocol="HTTP/2", http2=Http2Options(initial_stream_window_size=window))
    cluster = Cluster("c", DiscoveryType.STATIC, http=http, per_connection_buffer_limit=limit)
    settings = http2_settings(cluster, RUNTIME, StatsStore().scope("cluster.c."))
    assert settings is not None
    assert settings.buffer_limit == expected
