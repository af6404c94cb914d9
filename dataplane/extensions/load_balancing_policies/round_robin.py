"""Round robin as an extension.  Envoy: envoy.load_balancing_policies.round_robin."""

from __future__ import annotations

from envoy.extensions.load_balancing_policies.round_robin.v3.round_robin_pb2 import RoundRobin

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.load_balancing import KIND, LbPolicy, locality_settings
from dataplane.compile.support import supports

supports(RoundRobin, "locality_lb_config")


@extension(KIND, RoundRobin.DESCRIPTOR.full_name)
def compile_config(config: RoundRobin, at: FieldPath, context: CompileContext) -> LbPolicy:
    return LbPolicy("ROUND_ROBIN", **locality_settings(config.locality_lb_config))
