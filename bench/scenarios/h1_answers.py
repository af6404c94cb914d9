"""Answers of 1 MiB over HTTP/1.1."""

from __future__ import annotations

from bench.scenario import Scenario
from bench.scenarios import h1
from bench.upstream import LARGE_PATH
from bench.wrk import Wrk

SCENARIO = Scenario(
    name="h1_answers",
    about="HTTP/1.1 to HTTP/1.1, 8 connections, answers of 1 MiB",
    bootstrap=h1.bootstrap,
    load=Wrk(LARGE_PATH, connections=8),
    target=1.1,
)
