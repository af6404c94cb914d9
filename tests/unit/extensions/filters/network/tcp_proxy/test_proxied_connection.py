"""The end of a connection that found no upstream."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dataplane.api.upstream import NoHealthyHost, PoolFailure
from dataplane.extensions.filters.network.tcp_proxy.config import TcpProxyConfig, TcpProxyStats
from dataplane.extensions.filters.network.tcp_proxy.proxied_connection import ProxiedConnection
from dataplane.observe import flags
from dataplane.observe.stats import StatsStore
from dataplane.observe.stream_info import StreamInfo


class Downstream:
    """Keeps how it ended.  api.network_filter.DownstreamConnection, as far as it is used."""

    def __init__(self, cluster: object) -> None:
        self.info = StreamInfo()
        self.server = SimpleNamespace(clock=lambda: 0.0, clusters={"app": cluster})
        self.ended = ""

    def write(self, data: bytes) -> None: ...

    def pause_reading(self) -> None: ...

    def close(self) -> None:
        self.ended = "close"

    def reset(self) -> None:
        self.ended = "reset"


class Cluster:
    """Has a host for the first attempt alone."""

    name = stat_name = "app"
    wants_context = False

    def __init__(self) -> None:
        self.attempts = 0

    def breakers(self, priority: int) -> Any:
        return SimpleNamespace(connections=SimpleNamespace(can_create=lambda: True))

    def open_tcp(self, receiver: object, context: object) -> object:
        self.attempts += 1
        if self.attempts > 1:
            raise NoHealthyHost
        return object()


@pytest.mark.parametrize(("early", "ended"), [(b"", "close"), (b"hello", "reset")])
def test_bytes_that_nobody_took_make_it_a_reset(early: bytes, ended: str) -> None:
    downstream: Any = Downstream(Cluster())
    config = TcpProxyConfig("s", (("app", 1),), max_connect_attempts=2)
    connection = ProxiedConnection(downstream, config, TcpProxyStats(StatsStore(), "s"))
    connection.start()
    if early:
        connection.on_data(early)
    connection.on_pool_failure(PoolFailure.REMOTE_CONNECTION_FAILURE, "refused", None)
    assert downstream.ended == ended
    assert downstream.info.local_close_reason == "tcp_initializion_failure:1"
    assert downstream.info.response_flags == flags.UPSTREAM_CONNECTION_FAILURE | flags.NO_HEALTHY_UPSTREAM
