"""HTTP/1.1 over TLS to HTTP/1.1: the configuration of `h1` behind an ECDSA P-256 certificate, on connections that stay."""

from __future__ import annotations

from typing import Any

from bench.certificate import self_signed
from bench.scenario import Place, Scenario
from bench.scenarios import h1
from bench.wrk import Wrk

CONTEXT = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"


def bootstrap(place: Place, protocol: str = "http/1.1") -> dict[str, Any]:
    """protocol: what ALPN offers."""
    config = h1.bootstrap(place)
    certificate, key = self_signed("bench.test")
    pair = {"certificate_chain": {"inline_string": certificate}, "private_key": {"inline_string": key}}
    context = {"@type": CONTEXT, "common_tls_context": {"tls_certificates": [pair], "alpn_protocols": [protocol]}}
    (chain,) = config["static_resources"]["listeners"][0]["filter_chains"]
    chain["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    return config


SCENARIO = Scenario(
    name="h1_tls",
    about="HTTP/1.1 over TLS to HTTP/1.1, 43-byte answers, 20 routes, stats, request id, access log to a file",
    bootstrap=bootstrap,
    load=Wrk(h1.PATH, scheme="https"),
    target=0.8,
)
