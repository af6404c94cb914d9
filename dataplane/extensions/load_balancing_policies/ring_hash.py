"""Ring hash as an extension.  Envoy: envoy.load_balancing_policies.ring_hash."""

from __future__ import annotations

from envoy.extensions.load_balancing_policies.common.v3.common_pb2 import ConsistentHashingLbConfig
from envoy.extensions.load_balancing_policies.ring_hash.v3.ring_hash_pb2 import RingHash

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.load_balancing import KIND, LbPolicy, ring_hash
from dataplane.compile.support import supports

supports(
    RingHash,
    "hash_function",
    "minimum_ring_size",
    "maximum_ring_size",
    "use_hostname_for_hashing",
    "consistent_hashing_lb_config",
    "locality_weighted_lb_config",
)
supports(ConsistentHashingLbConfig, "use_hostname_for_hashing")


@extension(KIND, RingHash.DESCRIPTOR.full_name)
def compile_config(config: RingHash, at: FieldPath, context: CompileContext) -> LbPolicy:
    common = config.consistent_hashing_lb_config
    use_hostname = (
        common.use_hostname_for_hashing if config.HasField("consistent_hashing_lb_config") else config.use_hostname_for_hashing
    )
    return LbPolicy(
        "RING_HASH",
        ring_hash(config, config.hash_function == RingHash.MURMUR_HASH_2, use_hostname, at),
        locality_weighted=config.HasField("locality_weighted_lb_config"),
    )
