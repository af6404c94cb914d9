"""What a unary gRPC call is to a proxy: POST with a small message, HTTP/2 on both sides.  The upstream sends no trailers."""

from __future__ import annotations

from bench.h2load import H2load
from bench.scenario import Scenario
from bench.scenarios import h1, h2_h2

SCENARIO = Scenario(
    name="grpc_unary",
    about="HTTP/2 to HTTP/2, POST of a 25-byte gRPC message, 43-byte answers, 20 routes, stats, request id, access log",
    bootstrap=h2_h2.bootstrap,
    load=H2load(h1.PATH, body=b"\0\0\0\0\x14" + b"m" * 20, headers=("content-type: application/grpc", "te: trailers")),
    target=1.0,
    upstream_http2=True,
)
