"""TCP proxy, one connection that streams as fast as it can."""

from __future__ import annotations

from bench.raw_load import RawLoad
from bench.scenario import Scenario
from bench.scenarios import tcp_pingpong

SCENARIO = Scenario(
    name="tcp_stream",
    about="TCP proxy, one connection, bytes from upstream as fast as they come",
    bootstrap=tcp_pingpong.bootstrap,
    load=RawLoad("drain", connections=1),
    target=1.0,
    upstream="pour",
    unit="MiB",
)
