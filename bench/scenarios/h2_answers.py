"""Answers of 1 MiB over HTTP/2."""

from __future__ import annotations

from bench.h2load import H2load
from bench.scenario import Scenario
from bench.scenarios import h1
from bench.upstream import LARGE_PATH

SCENARIO = Scenario(
    name="h2_answers",
    about="HTTP/2 (4 connections of 4 streams) to HTTP/1.1, answers of 1 MiB",
    bootstrap=h1.bootstrap,
    load=H2load(LARGE_PATH, connections=4, streams=4),
    target=1.5,
)
