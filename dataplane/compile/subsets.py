"""LbSubsetConfig, as a field of a cluster and as an extension → balancing.subset.SubsetConfig.

Envoy: Cluster.LbSubsetConfig, envoy.load_balancing_policies.subset.
"""

from __future__ import annotations

from typing import Any, Final

from envoy.config.cluster.v3.cluster_pb2 import Cluster

from dataplane.balancing import subset
from dataplane.balancing.subset import SubsetConfig, SubsetSelector
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.support import supports
from dataplane.compile.units import struct_dict
from dataplane.matching.criteria import Criteria

supports(
    Cluster.LbSubsetConfig,
    "fallback_policy",
    "default_subset",
    "subset_selectors",
    "locality_weight_aware",
    "scale_locality_weight",
    "panic_mode_any",
    "list_as_any",
    "metadata_fallback_policy",
)
supports(Cluster.LbSubsetConfig.LbSubsetSelector, "keys", "single_host_per_subset", "fallback_policy", "fallback_keys_subset")

_FALLBACKS: Final = (subset.NO_FALLBACK, subset.ANY_ENDPOINT, subset.DEFAULT_SUBSET)
_SELECTOR_FALLBACKS: Final = ("", *_FALLBACKS, subset.KEYS_SUBSET)


def compile_subsets(message: Any, at: FieldPath) -> SubsetConfig | None:
    """From either message of that name.  None without selectors: then there are no subsets, and no fallback either."""
    if not message.subset_selectors:
        return None
    if message.fallback_policy >= len(_FALLBACKS):
        raise ConfigError(at / "fallback_policy", f"undefined value {message.fallback_policy}")
    at_selectors = at / "subset_selectors"
    return SubsetConfig(
        selectors=tuple(_selector(each, at_selectors / index) for index, each in enumerate(message.subset_selectors)),
        fallback=_FALLBACKS[message.fallback_policy],
        default_subset=Criteria(struct_dict(message.default_subset)) if message.HasField("default_subset") else None,
        locality_weight_aware=message.locality_weight_aware,
        scale_locality_weight=message.scale_locality_weight,
        panic_mode_any=message.panic_mode_any,
        list_as_any=message.list_as_any,
        fallback_list=message.metadata_fallback_policy == Cluster.LbSubsetConfig.FALLBACK_LIST,
    )


def _selector(message: Any, at: FieldPath) -> SubsetSelector:
    if message.fallback_policy >= len(_SELECTOR_FALLBACKS):
        raise ConfigError(at / "fallback_policy", f"undefined value {message.fallback_policy}")
    keys, fallback_keys = frozenset(message.keys), frozenset(message.fallback_keys_subset)
    fallback = _SELECTOR_FALLBACKS[message.fallback_policy]
    if fallback == subset.KEYS_SUBSET:
        _check_fallback_keys(keys, fallback_keys, at / "fallback_keys_subset")
    elif fallback_keys:
        raise ConfigError(at / "fallback_keys_subset", "fallback_keys_subset can be set only for KEYS_SUBSET fallback_policy")
    if message.single_host_per_subset and len(keys) != 1:
        reason = "subset_lb selector: single_host_per_subset cannot be set when there is more than 1 key or no keys."
        raise ConfigError(at / "single_host_per_subset", reason)
    return SubsetSelector(keys, fallback, fallback_keys, message.single_host_per_subset)


def _check_fallback_keys(keys: frozenset[str], fallback_keys: frozenset[str], at: FieldPath) -> None:
    if not fallback_keys:
        raise ConfigError(at, "fallback_keys_subset cannot be empty")
    if not fallback_keys <= keys:
        raise ConfigError(at, "fallback_keys_subset must be a subset of selector keys")
    if len(fallback_keys) == len(keys):
        raise ConfigError(at, "fallback_keys_subset cannot be equal to keys")
