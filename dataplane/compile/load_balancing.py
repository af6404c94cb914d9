"""How a cluster chooses a host: lb_policy with its configuration, or load_balancing_policy.

Envoy: Cluster.{lb_policy, lb_config, load_balancing_policy, common_lb_config}.  Not here: the balancers (balancing).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from envoy.config.cluster.v3.cluster_pb2 import Cluster as ClusterMessage
from envoy.config.cluster.v3.cluster_pb2 import LoadBalancingPolicy
from envoy.config.core.v3.base_pb2 import RuntimeDouble
from envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from envoy.extensions.load_balancing_policies.common.v3.common_pb2 import LocalityLbConfig
from envoy.type.v3.percent_pb2 import Percent

from dataplane.api import registry
from dataplane.balancing.maglev import DEFAULT_TABLE_SIZE, Maglev
from dataplane.balancing.ring_hash import RingHash
from dataplane.balancing.subset import SubsetConfig
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.fields import find_extension, type_name
from dataplane.compile.subsets import compile_subsets
from dataplane.compile.support import ignores, supports
from dataplane.compile.units import wrapped
from dataplane.snapshot.cluster import LeastRequest

supports(
    ClusterMessage,
    "load_balancing_policy",
    "common_lb_config",
    "round_robin_lb_config",
    "least_request_lb_config",
    "ring_hash_lb_config",
    "maglev_lb_config",
    lb_policy=(
        "ROUND_ROBIN",
        "LEAST_REQUEST",
        "RANDOM",
        "RING_HASH",
        "MAGLEV",
        "CLUSTER_PROVIDED",
        "LOAD_BALANCING_POLICY_CONFIG",
    ),
)
supports(ClusterMessage.RoundRobinLbConfig)
supports(ClusterMessage.LeastRequestLbConfig, "choice_count", "active_request_bias")
supports(ClusterMessage.RingHashLbConfig, "minimum_ring_size", "maximum_ring_size", "hash_function")
supports(ClusterMessage.MaglevLbConfig, "table_size")
supports(ClusterMessage.CommonLbConfig, "consistent_hashing_lb_config")
supports(ClusterMessage.CommonLbConfig.ConsistentHashingLbConfig, "use_hostname_for_hashing")
supports(RuntimeDouble, "default_value", "runtime_key")
supports(ClusterMessage.CommonLbConfig, "healthy_panic_threshold", "locality_weighted_lb_config", "zone_aware_lb_config")
supports(ClusterMessage.CommonLbConfig.LocalityWeightedLbConfig)
supports(ClusterMessage.CommonLbConfig.ZoneAwareLbConfig, "fail_traffic_on_panic")
ignores(
    ClusterMessage.CommonLbConfig,
    "update_merge_window",
    because="when Envoy may merge several updates into one; here each is applied as it comes",
)
supports(LoadBalancingPolicy, "policies")
supports(LoadBalancingPolicy.Policy, "typed_extension_config")
supports(LocalityLbConfig, "zone_aware_lb_config", "locality_weighted_lb_config")
supports(LocalityLbConfig.LocalityWeightedLbConfig)
supports(LocalityLbConfig.ZoneAwareLbConfig, "fail_traffic_on_panic")
supports(TypedExtensionConfig, "name", "typed_config")
supports(Percent, "value")

KIND: Final = "envoy.load_balancing_policies"
_DEFAULT_PANIC: Final = 0.5
_MAX_RING: Final = 8 << 20
_NOT_WITH_EXTENSIONS: Final = ("zone_aware_lb_config", "locality_weighted_lb_config", "consistent_hashing_lb_config")
_POLICIES: Final = {number: name for name, number in ClusterMessage.LbPolicy.items()}


@dataclass(frozen=True, slots=True)
class LbPolicy:
    """name: as in Cluster.lb_policy.  config: what the balancer of that name takes.  The others: as in snapshot.cluster.Cluster."""

    name: str
    config: object | None = None
    locality_weighted: bool = False
    fail_traffic_on_panic: bool = False
    subsets: SubsetConfig | None = None


def compile_lb_policy(message: ClusterMessage, at: FieldPath, context: CompileContext) -> LbPolicy:
    """load_balancing_policy where it is set, else lb_policy."""
    if message.HasField("load_balancing_policy"):
        return _from_extensions(message, at / "load_balancing_policy", context)
    name = _POLICIES.get(message.lb_policy)
    if name == "CLUSTER_PROVIDED" and message.type == ClusterMessage.ORIGINAL_DST:
        return LbPolicy(name)
    if name == "CLUSTER_PROVIDED":
        reason = f"cluster provided LB specified but cluster '{message.name}' did not provide one. Check cluster documentation."
        raise ConfigError(at / "lb_policy", f"cluster manager: {reason}")
    if name == "LOAD_BALANCING_POLICY_CONFIG":
        raise ConfigError(at / "load_balancing_policy", "cluster: field load_balancing_policy need to be set")
    if name is None:
        raise ConfigError(at / "lb_policy", f"undefined value {message.lb_policy}")
    common = message.common_lb_config
    return LbPolicy(
        name,
        _config_of(name, message, at, context),
        locality_weighted=common.HasField("locality_weighted_lb_config"),
        fail_traffic_on_panic=common.zone_aware_lb_config.fail_traffic_on_panic,
        subsets=compile_subsets(message.lb_subset_config, at / "lb_subset_config"),
    )


def _config_of(name: str, message: ClusterMessage, at: FieldPath, context: CompileContext) -> object | None:
    """The field of the cluster that goes with lb_policy."""
    use_hostname = message.common_lb_config.consistent_hashing_lb_config.use_hostname_for_hashing
    match name:
        case "LEAST_REQUEST":
            return least_request(message.least_request_lb_config, context)
        case "RING_HASH":
            config = message.ring_hash_lb_config
            murmur = config.hash_function == ClusterMessage.RingHashLbConfig.MURMUR_HASH_2
            return ring_hash(config, murmur, use_hostname, at / "ring_hash_lb_config")
        case "MAGLEV":
            return maglev(message.maglev_lb_config, use_hostname, at / "maglev_lb_config")
    return None


def ring_hash(config: Any, murmur: bool, use_hostname: bool, at: FieldPath) -> RingHash:
    """From either message of that name."""
    least, most = wrapped(config, "minimum_ring_size", 1024), wrapped(config, "maximum_ring_size", _MAX_RING)
    if least > most:
        raise ConfigError(at, f"ring hash: minimum_ring_size ({least}) > maximum_ring_size ({most})")
    return RingHash(least, most, murmur, use_hostname)


def maglev(config: Any, use_hostname: bool, at: FieldPath) -> Maglev:
    """From either message of that name."""
    size = wrapped(config, "table_size", DEFAULT_TABLE_SIZE)
    if not _is_prime(size):
        raise ConfigError(at / "table_size", "The table size of maglev must be prime number")
    return Maglev(size, use_hostname)


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % factor for factor in range(2, math.isqrt(number) + 1))


def least_request(config: Any, context: CompileContext) -> LeastRequest:
    """From either message of that name: the field of a cluster and the extension have the same fields."""
    bias = 1.0
    if config.HasField("active_request_bias"):
        bias = config.active_request_bias.default_value
        override = context.runtime.get(config.active_request_bias.runtime_key)
        if isinstance(override, int | float) and not isinstance(override, bool):
            bias = float(override)
    return LeastRequest(wrapped(config, "choice_count", 2), bias)


def locality_settings(config: LocalityLbConfig) -> dict[str, Any]:
    """The fields of LbPolicy that a policy's locality_lb_config sets."""
    return {
        "locality_weighted": config.HasField("locality_weighted_lb_config"),
        "fail_traffic_on_panic": config.zone_aware_lb_config.fail_traffic_on_panic,
    }


def _from_extensions(message: ClusterMessage, at: FieldPath, context: CompileContext) -> LbPolicy:
    if any(message.common_lb_config.HasField(field) for field in _NOT_WITH_EXTENSIONS):
        partial = f"partial fields ({', '.join(_NOT_WITH_EXTENSIONS)}) of common_lb_config"
        raise ConfigError(at, f"cluster: load_balancing_policy cannot be combined with {partial}")
    found = first_policy(message.load_balancing_policy, at, context)
    if found is not None:
        return found
    listed = ", ".join(policy.typed_extension_config.name for policy in message.load_balancing_policy.policies)
    missing = "didn't find a registered load balancer factory implementation"
    raise ConfigError(at, f"cluster: {missing} for cluster: '{message.name}' with names from [{listed}]")


def first_policy(policies: LoadBalancingPolicy, at: FieldPath, context: CompileContext) -> LbPolicy | None:
    """The first policy of the list that we have: the list is there so that newer ones can stand before older ones."""
    for index, policy in enumerate(policies.policies):
        extension = policy.typed_extension_config
        if registry.find(KIND, type_name(extension.typed_config)) is None:
            continue
        at_config = at / "policies" / index / "typed_extension_config" / "typed_config"
        compile_config, config = find_extension(KIND, extension.typed_config, extension.name, at_config)
        compiled: LbPolicy = compile_config(config, at_config, context)
        return compiled
    return None


def panic_threshold(message: ClusterMessage) -> float:
    """Fraction of healthy hosts below which health is ignored; 0 turns panic off."""
    common = message.common_lb_config
    return common.healthy_panic_threshold.value / 100 if common.HasField("healthy_panic_threshold") else _DEFAULT_PANIC
