"""TCP proxy, messages of 64 bytes, each waiting for its answer."""

from __future__ import annotations

from typing import Any

from bench.raw_load import RawLoad
from bench.scenario import Place, Scenario
from bench.scenarios import h1


def bootstrap(place: Place) -> dict[str, Any]:
    log = {"@type": h1.TYPE + "access_loggers.file.v3.FileAccessLog", "path": str(place.directory / "access.log")}
    proxy = {
        "@type": h1.TYPE + "filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "ingress",
        "cluster": "cluster-0",
        "access_log": [{"name": "envoy.access_loggers.file", "typed_config": log}],
    }
    document = h1.bootstrap(place)
    filters = [{"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}]
    document["static_resources"]["listeners"][0]["filter_chains"] = [{"filters": filters}]
    return document


SCENARIO = Scenario(
    name="tcp_pingpong",
    about="TCP proxy, 32 connections, 64-byte messages that wait for their answers",
    bootstrap=bootstrap,
    load=RawLoad("pingpong"),
    target=1.1,
    upstream="echo",
    unit="message",
)
