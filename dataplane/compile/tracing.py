"""What of tracing shows without a tracer: the marks in request ids.  HttpConnectionManager.Tracing and route.v3.Tracing → TraceSampling.

Tracers are refused where they are named (`provider`).
"""

from __future__ import annotations

from typing import Final

from envoy.config.route.v3.route_components_pb2 import Tracing as RouteTracing
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpConnectionManager

from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.fields import find_extension
from dataplane.compile.support import ignores, supports
from dataplane.compile.units import parts_of, runtime_parts_or
from dataplane.routing.trace_sampling import ALL, DEFAULT_REQUEST_ID, Parts, RequestIdOptions, TraceSampling

SAMPLING: Final = ("client_sampling", "random_sampling", "overall_sampling")
OF_SPANS: Final = "it is about spans, which tracers make, and those are refused"
_FINE: Final = 10_000

supports(RouteTracing, *SAMPLING)
ignores(RouteTracing, *(field for field in RouteTracing.DESCRIPTOR.fields_by_name if field not in SAMPLING), because=OF_SPANS)

REQUEST_ID_KIND: Final = "envoy.request_id"


def compile_tracing(message: HttpConnectionManager, context: CompileContext) -> TraceSampling | None:
    """None: no id is marked.  As Envoy, whole percents of clients, of others whole hundredths of a percent."""
    if not message.HasField("tracing"):
        return None
    tracing = message.tracing
    client = (int(tracing.client_sampling.value), 100) if tracing.HasField("client_sampling") else ALL
    random = (int(_FINE * (tracing.random_sampling.value / 100)), _FINE) if tracing.HasField("random_sampling") else ALL
    overall = (int(_FINE * (tracing.overall_sampling.value / 100)), _FINE) if tracing.HasField("overall_sampling") else ALL
    return _overridden(client, random, overall, context)


def compile_route_tracing(message: RouteTracing, at: FieldPath, context: CompileContext) -> TraceSampling:
    client, random, overall = (
        parts_of(getattr(message, field), at / field) if message.HasField(field) else ALL for field in SAMPLING
    )
    return _overridden(client, random, overall, context)


def _overridden(client: Parts, random: Parts, overall: Parts, context: CompileContext) -> TraceSampling:
    """The runtime counts more than the configuration."""
    return TraceSampling(
        runtime_parts_or("tracing.client_enabled", client, context),
        runtime_parts_or("tracing.random_sampling", random, context),
        runtime_parts_or("tracing.global_enabled", overall, context),
    )


def compile_request_id(message: HttpConnectionManager, at: FieldPath, context: CompileContext) -> RequestIdOptions:
    """Without an extension that of UUIDs, as it is by default."""
    packed = message.request_id_extension.typed_config
    if not packed.type_url:
        return DEFAULT_REQUEST_ID
    at_config = at / "request_id_extension" / "typed_config"
    compile_config, config = find_extension(REQUEST_ID_KIND, packed, "", at_config)
    options: RequestIdOptions = compile_config(config, at_config, context)
    return options
