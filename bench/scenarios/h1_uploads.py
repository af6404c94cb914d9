"""Uploads of 1 MiB over HTTP/1.1."""

from __future__ import annotations

from bench.scenario import Scenario
from bench.scenarios import h1
from bench.upstream import LARGE
from bench.wrk import Wrk

SCENARIO = Scenario(
    name="h1_uploads",
    about="HTTP/1.1 to HTTP/1.1, 8 connections, uploads of 1 MiB",
    bootstrap=h1.bootstrap,
    load=Wrk(h1.PATH, connections=8, upload=LARGE),
    target=1.1,
)
