"""HTTP/1.1 to HTTP/1.1 at half of what Envoy can carry: how long do the slowest requests take?"""

from __future__ import annotations

from bench.h2load import H2load
from bench.scenario import Scenario
from bench.scenarios import h1

CONNECTIONS = 32

SCENARIO = Scenario(
    name="h1_latency",
    about="HTTP/1.1 to HTTP/1.1 at half of Envoy's saturation, 43-byte answers, 20 routes, retries, stats, request id, access log",
    bootstrap=h1.bootstrap,
    load=h1.SCENARIO.load,
    half_of_envoy=lambda per_second: H2load(h1.PATH, CONNECTIONS, streams=1, http1=True, per_second=per_second),
    target=1.3,
    figure="p99",
)
