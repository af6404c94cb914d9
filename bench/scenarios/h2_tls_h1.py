"""HTTP/2 over TLS to HTTP/1.1: the configuration of `h1_tls`."""

from __future__ import annotations

from functools import partial

from bench.h2load import H2load
from bench.scenario import Scenario
from bench.scenarios import h1, h1_tls

SCENARIO = Scenario(
    name="h2_tls_h1",
    about="HTTP/2 over TLS (8 connections of 16 streams) to HTTP/1.1, 43-byte answers, 20 routes, stats, request id, access log",
    bootstrap=partial(h1_tls.bootstrap, protocol="h2"),
    load=H2load(h1.PATH, tls=True),
    target=0.6,
)
