"""Consistent hashing and subsets, as fields of a cluster and as extensions."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.balancing.maglev import Maglev
from dataplane.balancing.ring_hash import RingHash
from dataplane.balancing.subset import SubsetConfig, SubsetSelector
from dataplane.matching.criteria import Criteria
from dataplane.snapshot.cluster import Cluster
from tests.support.compiling import compiled, errors, message

CLUSTER = "envoy.config.cluster.v3.Cluster"
POLICIES = "type.googleapis.com/envoy.extensions.load_balancing_policies."


def cluster(**fields: Any) -> Cluster:
    value = compiled(message(CLUSTER, {"name": "c", **fields}))
    assert isinstance(value, Cluster)
    return value


def problems(**fields: Any) -> list[str]:
    return errors(message(CLUSTER, {"name": "c", **fields}))


def policy(name: str, **fields: Any) -> dict[str, Any]:
    typed = {"@type": POLICIES + name, **fields}
    return {"policies": [{"typed_extension_config": {"name": "p", "typed_config": typed}}]}


def test_subsets_need_selectors() -> None:
    subset: dict[str, Any] = {"fallback_policy": "ANY_ENDPOINT", "default_subset": {"a": "b"}}
    assert cluster(lb_subset_config=subset).subsets is None
    subset["subset_selectors"] = [
        {"keys": ["a"], "single_host_per_subset": True},
        {"keys": ["a", "b"], "fallback_policy": "KEYS_SUBSET", "fallback_keys_subset": ["a"]},
    ]
    assert cluster(lb_subset_config=subset).subsets == SubsetConfig(
        (
            SubsetSelector(frozenset({"a"}), single_host=True),
            SubsetSelector(frozenset({"a", "b"}), "KEYS_SUBSET", frozenset({"a"})),
        ),
        "ANY_ENDPOINT",
        Criteria({"a": "b"}),
    )


@pytest.mark.parametrize(
    ("selector", "reason"),
    [
        ({"keys": ["a", "b"], "single_host_per_subset": True}, "single_host_per_subset cannot be set"),
        ({"keys": ["a"], "fallback_policy": "KEYS_SUBSET"}, "cannot be empty"),
        ({"keys": ["a"], "fallback_policy": "KEYS_SUBSET", "fallback_keys_subset": ["b"]}, "must be a subset"),
        ({"keys": ["a"], "fallback_policy": "KEYS_SUBSET", "fallback_keys_subset": ["a"]}, "cannot be equal"),
        ({"keys": ["a"], "fallback_keys_subset": ["a"]}, "only for KEYS_SUBSET"),
    ],
)
def test_selectors_that_envoy_refuses(selector: dict[str, Any], reason: str) -> None:
    (error,) = errors(message(CLUSTER, {"name": "z", "lb_subset_config": {"subset_selectors": [selector]}}))
    assert reason in error


def test_consistent_hashing() -> None:
    ring = {"minimum_ring_size": 5, "hash_function": "MURMUR_HASH_2"}
    by_name = {"consistent_hashing_lb_config": {"use_hostname_for_hashing": True}}
    assert cluster(lb_policy="RING_HASH", ring_hash_lb_config=ring, common_lb_config=by_name).lb_config == RingHash(
        5, murmur=True, use_hostname=True
    )
    assert cluster(lb_policy="MAGLEV").lb_config == Maglev(65537)
    assert "must be prime" in problems(lb_policy="MAGLEV", maglev_lb_config={"table_size": 100})[0]
    too_small = {"minimum_ring_size": 9, "maximum_ring_size": 3}
    assert "minimum_ring_size (9) > maximum" in problems(lb_policy="RING_HASH", ring_hash_lb_config=too_small)[0]


@pytest.mark.parametrize(
    ("extension", "name", "config"),
    [
        (policy("maglev.v3.Maglev", table_size=101), "MAGLEV", Maglev(101)),
        (policy("ring_hash.v3.RingHash", hash_function="MURMUR_HASH_2"), "RING_HASH", RingHash(murmur=True)),
        (
            policy("ring_hash.v3.RingHash", consistent_hashing_lb_config={"use_hostname_for_hashing": True}),
            "RING_HASH",
            RingHash(use_hostname=True),
        ),
    ],
)
def test_consistent_hashing_as_an_extension(extension: dict[str, Any], name: str, config: object) -> None:
    made = cluster(load_balancing_policy=extension)
    assert (made.lb_policy, made.lb_config) == (name, config)


def test_subsets_as_an_extension() -> None:
    inner = policy("maglev.v3.Maglev", locality_weighted_lb_config={})
    made = cluster(
        load_balancing_policy=policy(
            "subset.v3.Subset", subset_lb_policy=inner, subset_selectors=[{"keys": ["v"]}], list_as_any=True
        )
    )
    assert (made.lb_policy, made.locality_weighted) == ("MAGLEV", True)
    assert made.subsets == SubsetConfig((SubsetSelector(frozenset({"v"})),), list_as_any=True)
    unknown = policy("subset.v3.Subset", subset_lb_policy={"policies": []}, subset_selectors=[{"keys": ["v"]}])
    assert any("subset_lb_policy" in each for each in problems(load_balancing_policy=unknown))
