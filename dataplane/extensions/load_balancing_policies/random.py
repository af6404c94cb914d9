"""Random choice as an extension.  Envoy: envoy.load_balancing_policies.random."""

from __future__ import annotations

from envoy.extensions.load_balancing_policies.random.v3.random_pb2 import Random

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.load_balancing import KIND, LbPolicy, locality_settings
from dataplane.compile.support import supports

supports(Random, "locality_lb_config")


@extension(KIND, Random.DESCRIPTOR.full_name)
def compile_config(config: Random, at: FieldPath, context: CompileContext) -> LbPolicy:
    return LbPolicy("RANDOM", **locality_settings(config.locality_lb_config))
