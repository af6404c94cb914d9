"""First a locality by its weight, then another policy inside it.  Envoy: envoy.load_balancing_policies.wrr_locality."""

from __future__ import annotations

from dataclasses import replace

from envoy.extensions.load_balancing_policies.wrr_locality.v3.wrr_locality_pb2 import WrrLocality

from dataplane.api.registry import extension
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.load_balancing import KIND, LbPolicy, first_policy
from dataplane.compile.support import supports

supports(WrrLocality, "endpoint_picking_policy")


@extension(KIND, WrrLocality.DESCRIPTOR.full_name)
def compile_config(config: WrrLocality, at: FieldPath, context: CompileContext) -> LbPolicy:
    inner = first_policy(config.endpoint_picking_policy, at / "endpoint_picking_policy", context)
    if inner is None:
        reason = "No supported endpoint picking policy."
        raise ConfigError(at / "endpoint_picking_policy", reason)
    return replace(inner, locality_weighted=True)
