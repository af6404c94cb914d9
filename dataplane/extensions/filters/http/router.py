"""The terminal HTTP filter: sends a request where its route says.  Envoy: envoy.filters.http.router.

Here: Router → router.config.RouterConfig.  Not here: doing it (router).
"""

from __future__ import annotations

from envoy.extensions.filters.http.router.v3.router_pb2 import Router

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.support import ignores, supports
from dataplane.compile.tracing import OF_SPANS
from dataplane.compile.units import wrapped
from dataplane.router.config import RouterConfig
from dataplane.router.router import RouterFactory

supports(
    Router,
    "dynamic_stats",
    "suppress_envoy_headers",
    "strict_check_headers",
    "respect_expected_rq_timeout",
)
ignores(Router, "start_child_span", because=OF_SPANS)


@extension("envoy.filters.http", Router.DESCRIPTOR.full_name, terminal=True)
def compile_config(message: Router, at: FieldPath, context: CompileContext) -> RouterFactory:
    return RouterFactory(
        RouterConfig(
            dynamic_stats=wrapped(message, "dynamic_stats", True),
            suppress_envoy_headers=message.suppress_envoy_headers,
            strict_check_headers=tuple(name.lower().encode() for name in message.strict_check_headers),
            respect_expected_rq_timeout=message.respect_expected_rq_timeout,
        )
    )
