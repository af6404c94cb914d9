"""Canonical YAML of resources, and differences of it."""

from __future__ import annotations

import yaml
from envoy.config.cluster.v3 import cluster_pb2

from controlplane.base.group import Group, Selector
from controlplane.base.resource import GroupName, Resource
from controlplane.base.type_url import CLUSTER
from controlplane.build.messages import encode
from controlplane.build.render import group_yaml, resource_yaml, unified_diff


def cluster(seconds: int, **metadata: str) -> Resource:
    message = cluster_pb2.Cluster(name="a", type="STATIC")
    message.connect_timeout.seconds = seconds
    message.metadata.filter_metadata["m"].update(metadata)
    return Resource.of(CLUSTER, "a", encode(message))


def test_type_and_name_come_first_and_map_keys_are_sorted() -> None:
    text = resource_yaml(cluster(1, z="1", b="2"))
    assert list(yaml.safe_load(text)) == ["@type", "name", "connect_timeout", "metadata", "type"]
    assert text == resource_yaml(cluster(1, b="2", z="1"))
    assert text.index("b: '2'") < text.index("z: '1'")


def test_a_difference_shows_the_changed_lines_only_with_context() -> None:
    text = unified_diff(resource_yaml(cluster(1)), resource_yaml(cluster(2)), "x")
    assert [line for line in text.splitlines() if line[:1] in "+-"] == [
        "--- before/x",
        "+++ after/x",
        "-connect_timeout: 1s",
        "+connect_timeout: 2s",
    ]
    assert unified_diff("same\n", "same\n", "x") == ""


def test_groups_are_shown_with_all_their_fields() -> None:
    group = Group(GroupName("g"), (Selector(node_ids=("a*",), metadata=(("k", "v"),)),), 3)
    assert yaml.safe_load(group_yaml(group)) == {
        "name": "g",
        "inherits": True,
        "priority": 3,
        "selectors": [
            {"metadata": [["k", "v"]], "node_clusters": [], "node_ids": ["a*"], "region": "", "sub_zone": "", "zone": ""}
        ],
    }
