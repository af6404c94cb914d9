"""Subsets of hosts, and another policy inside of them.  Envoy: envoy.load_balancing_policies.subset."""

from __future__ import annotations

from dataclasses import replace

from envoy.extensions.load_balancing_policies.subset.v3.subset_pb2 import Subset

from dataplane.api.registry import extension
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.load_balancing import KIND, LbPolicy, first_policy
from dataplane.compile.subsets import compile_subsets
from dataplane.compile.support import supports

supports(
    Subset,
    "fallback_policy",
    "default_subset",
    "subset_selectors",
    "locality_weight_aware",
    "scale_locality_weight",
    "panic_mode_any",
    "list_as_any",
    "metadata_fallback_policy",
    "subset_lb_policy",
)
supports(Subset.LbSubsetSelector, "keys", "single_host_per_subset", "fallback_policy", "fallback_keys_subset")


@extension(KIND, Subset.DESCRIPTOR.full_name)
def compile_config(config: Subset, at: FieldPath, context: CompileContext) -> LbPolicy:
    inner = first_policy(config.subset_lb_policy, at / "subset_lb_policy", context)
    if inner is None:
        raise ConfigError(at / "subset_lb_policy", "cluster: didn't find a registered load balancer factory for subset lb")
    return replace(inner, subsets=compile_subsets(config, at))
