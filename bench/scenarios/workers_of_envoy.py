"""Envoy with two workers, with one, and two Envoys at one port: the same questions as in `workers`, put to the peer."""

from __future__ import annotations

from dataclasses import replace

from bench.scenarios import workers

SCENARIO = replace(
    workers.SCENARIO,
    name="workers_of_envoy",
    about="as h1 on all cores: Envoy with two workers, with one, and two with one each that share a port",
    target=None,
    subject="envoy-two-workers",
    reference="envoy-strangers",
    only=("envoy", "envoy-strangers", "envoy-two-workers"),
)
