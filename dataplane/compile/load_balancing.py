"""How a cluster chooses a host: lb_policy with its configuration, or load_balancing_policy.

Envoy: Cluster.{lb_policy, lb_config, load_balancing_policy, common_lb_config}.  Not here: the balancers (balancing).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from envoy.config.cluster.v3.cluster_pb2 import Cluster as ClusterMessage
from envoy.config.cluster.v3.cluster_pb2 import LoadBalancingPolicy
from envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from envoy.type.v3.percent_pb2 import Percent

from dataplane.api import registry
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.fields import find_extension, type_name
from dataplane.compile.support import ignores, supports

supports(ClusterMessage, "load_balancing_policy", "common_lb_config", lb_policy=("ROUND_ROBIN", "LOAD_BALANCING_POLICY_CONFIG"))
supports(ClusterMessage, "round_robin_lb_config")
supports(ClusterMessage.RoundRobinLbConfig)
supports(ClusterMessage.CommonLbConfig, "healthy_panic_threshold")
ignores(
    ClusterMessage.CommonLbConfig,
    "update_merge_window",
    because="when Envoy may merge several updates into one; here each is applied as it comes",
)
supports(LoadBalancingPolicy, "policies")
supports(LoadBalancingPolicy.Policy, "typed_extension_config")
supports(TypedExtensionConfig, "name", "typed_config")
supports(Percent, "value")

KIND: Final = "envoy.load_balancing_policies"
_DEFAULT_PANIC: Final = 0.5
_POLICIES: Final = {number: name for name, number in ClusterMessage.LbPolicy.items()}


@dataclass(frozen=True, slots=True)
class LbPolicy:
    """name: as in Cluster.lb_policy.  config: what the balancer of that name takes."""

    name: str
    config: object | None = None


def compile_lb_policy(message: ClusterMessage, at: FieldPath, context: CompileContext) -> LbPolicy:
    """load_balancing_policy where it is set, else lb_policy."""
    if message.HasField("load_balancing_policy"):
        return _from_extensions(message, at / "load_balancing_policy", context)
    name = _POLICIES.get(message.lb_policy)
    if name == "CLUSTER_PROVIDED":
        reason = f"cluster provided LB specified but cluster '{message.name}' did not provide one. Check cluster documentation."
        raise ConfigError(at / "lb_policy", f"cluster manager: {reason}")
    if name == "LOAD_BALANCING_POLICY_CONFIG":
        raise ConfigError(at / "load_balancing_policy", "cluster: field load_balancing_policy need to be set")
    if name is None:
        raise ConfigError(at / "lb_policy", f"undefined value {message.lb_policy}")
    return LbPolicy(name)


def _from_extensions(message: ClusterMessage, at: FieldPath, context: CompileContext) -> LbPolicy:
    """The first policy of the list that we have: the list is there so that newer ones can stand before older ones."""
    names = []
    for index, policy in enumerate(message.load_balancing_policy.policies):
        extension = policy.typed_extension_config
        at_config = at / "policies" / index / "typed_extension_config" / "typed_config"
        names.append(extension.name)
        if registry.find(KIND, type_name(extension.typed_config)) is None:
            continue
        compile_config, config = find_extension(KIND, extension.typed_config, extension.name, at_config)
        compiled: LbPolicy = compile_config(config, at_config, context)
        return compiled
    listed = ", ".join(names)
    missing = "didn't find a registered load balancer factory implementation"
    raise ConfigError(at, f"cluster: {missing} for cluster: '{message.name}' with names from [{listed}]")


def panic_threshold(message: ClusterMessage) -> float:
    """Fraction of healthy hosts below which health is ignored; 0 turns panic off."""
    common = message.common_lb_config
    return common.healthy_panic_threshold.value / 100 if common.HasField("healthy_panic_threshold") else _DEFAULT_PANIC
