"""Maglev as an extension.  Envoy: envoy.load_balancing_policies.maglev."""

from __future__ import annotations

from envoy.extensions.load_balancing_policies.common.v3.common_pb2 import ConsistentHashingLbConfig
from envoy.extensions.load_balancing_policies.maglev.v3.maglev_pb2 import Maglev

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.load_balancing import KIND, LbPolicy, maglev
from dataplane.compile.support import supports

supports(Maglev, "table_size", "consistent_hashing_lb_config", "locality_weighted_lb_config")
supports(ConsistentHashingLbConfig, "use_hostname_for_hashing")


@extension(KIND, Maglev.DESCRIPTOR.full_name)
def compile_config(config: Maglev, at: FieldPath, context: CompileContext) -> LbPolicy:
    return LbPolicy(
        "MAGLEV",
        maglev(config, config.consistent_hashing_lb_config.use_hostname_for_hashing, at),
        locality_weighted=config.HasField("locality_weighted_lb_config"),
    )
