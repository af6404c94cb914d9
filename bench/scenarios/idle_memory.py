"""Memory of an idle keep-alive connection, clear: 10,000 of them, each after one request; the configuration of `h1`."""

from __future__ import annotations

from bench.idle import IdleConnections
from bench.scenario import Scenario
from bench.scenarios import h1

SCENARIO = Scenario(
    name="idle_memory",
    about="memory of an idle keep-alive connection, clear, 10,000 of them",
    bootstrap=h1.bootstrap,
    load=IdleConnections(h1.PATH),
    target=0.5,
    figure="bytes",
    unit="connection",
)
