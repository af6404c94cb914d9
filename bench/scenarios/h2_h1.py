"""HTTP/2 in clear text to HTTP/1.1: the configuration of `h1`."""

from __future__ import annotations

from bench.h2load import H2load
from bench.scenario import Scenario
from bench.scenarios import h1

SCENARIO = Scenario(
    name="h2_h1",
    about="HTTP/2 (8 connections of 16 streams) to HTTP/1.1, 43-byte answers, 20 routes, stats, request id, access log",
    bootstrap=h1.bootstrap,
    load=H2load(h1.PATH),
    target=0.6,
)
