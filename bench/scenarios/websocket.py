"""WebSocket messages of 64 bytes over HTTP/1.1."""

from __future__ import annotations

from typing import Any

from bench.raw_load import RawLoad
from bench.scenario import Place, Scenario
from bench.scenarios import h1


def bootstrap(place: Place) -> dict[str, Any]:
    document = h1.bootstrap(place)
    [chain] = document["static_resources"]["listeners"][0]["filter_chains"]
    chain["filters"][0]["typed_config"]["upgrade_configs"] = [{"upgrade_type": "websocket"}]
    return document


SCENARIO = Scenario(
    name="websocket",
    about="WebSocket over HTTP/1.1, 32 connections, 64-byte messages that wait for their answers",
    bootstrap=bootstrap,
    load=RawLoad("messages"),
    target=1.0,
    upstream="websocket",
    unit="message",
)
