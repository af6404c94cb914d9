"""HTTP/2 in clear text on both sides: the configuration of `h1`, with clusters that speak HTTP/2."""

from __future__ import annotations

from typing import Any

from bench.h2load import H2load
from bench.scenario import Place, Scenario
from bench.scenarios import h1

_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def bootstrap(place: Place) -> dict[str, Any]:
    made = h1.bootstrap(place)
    for cluster in made["static_resources"]["clusters"]:
        cluster["typed_extension_protocol_options"] = {
            _OPTIONS: {
                "@type": f"type.googleapis.com/{_OPTIONS}",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        }
    return made


SCENARIO = Scenario(
    name="h2_h2",
    about="HTTP/2 (8 connections of 16 streams) to HTTP/2, 43-byte answers, 20 routes, stats, request id, access log",
    bootstrap=bootstrap,
    load=H2load(h1.PATH),
    target=1.0,
    upstream_http2=True,
)
