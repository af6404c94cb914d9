"""Uploads of 1 MiB over HTTP/2."""

from __future__ import annotations

from bench.h2load import H2load
from bench.scenario import Scenario
from bench.scenarios import h1
from bench.upstream import LARGE

SCENARIO = Scenario(
    name="h2_uploads",
    about="HTTP/2 (4 connections of 4 streams) to HTTP/1.1, uploads of 1 MiB",
    bootstrap=h1.bootstrap,
    load=H2load(h1.PATH, connections=4, streams=4, body=b"x" * LARGE),
    target=1.5,
)
