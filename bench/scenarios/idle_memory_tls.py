"""Memory of an idle keep-alive connection, TLS: 10,000 of them, each after one request; the configuration of `h1_tls`."""

from __future__ import annotations

from bench.idle import IdleConnections
from bench.scenario import Scenario
from bench.scenarios import h1, h1_tls

SCENARIO = Scenario(
    name="idle_memory_tls",
    about="memory of an idle keep-alive connection, TLS, 10,000 of them",
    bootstrap=h1_tls.bootstrap,
    load=IdleConnections(h1.PATH, tls=True),
    target=2.3,
    figure="bytes",
    unit="connection",
)
