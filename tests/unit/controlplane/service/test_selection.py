"""Which group a proxy belongs to."""

from __future__ import annotations

import pytest

from controlplane.base.group import DEFAULT, Group, Selector
from controlplane.base.resource import GroupName
from controlplane.delivery.status import Locality, NodeFacts
from controlplane.service.selection import Selection, group_of, matches, selects

NODE = NodeFacts(
    "edge-7",
    "front",
    Locality("eu", "eu-1", "a"),
    {"labels": {"tier": "gold", "app.kubernetes.io/name": "shop"}, "canary": True, "shard": 3.0, "list": [1], "weight": 1.5},
)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("edge", "edge", True),
        ("edge", "edge-1", False),
        ("edge*", "edge", True),
        ("*edge", "my-edge", True),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "acb", False),
        ("a*a", "a", False),
        ("ab*bc", "abc", False),
        ("*", "", True),
        ("**", "x", True),
        ("", "", True),
        ("", "x", False),
        ("a.c", "abc", False),
        ("[a]", "a", False),
        ("*a*a*a*a*a*a*a*a*b", "a" * 50_000, False),
    ],
)
def test_patterns(pattern: str, text: str, expected: bool) -> None:
    assert matches(pattern, text) is expected


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (Selector(), False),
        (Selector(node_ids=("other", "edge-*")), True),
        (Selector(node_ids=("other",)), False),
        (Selector(node_clusters=("front",)), True),
        (Selector(node_ids=("edge-*",), node_clusters=("back",)), False),
        (Selector(region="eu", zone="eu-*"), True),
        (Selector(region="eu", sub_zone="b"), False),
        (Selector(metadata=(("labels.tier", "gold"),)), True),
        (Selector(metadata=(("labels.app.kubernetes.io/name", "shop"),)), True),
        (Selector(metadata=(("labels.tier", "gold"), ("canary", "true"))), True),
        (Selector(metadata=(("canary", "false"),)), False),
        (Selector(metadata=(("shard", "3"),)), True),
        (Selector(metadata=(("weight", "1.5"),)), True),
        (Selector(metadata=(("labels.missing", "*"),)), False),
        (Selector(metadata=(("list", "*"),)), False),
        (Selector(metadata=(("shard.deeper", "*"),)), False),
    ],
)
def test_conditions(selector: Selector, expected: bool) -> None:
    assert selects(selector, NODE) is expected


def group(name: str, *selectors: Selector, priority: int = 0) -> Group:
    return Group(GroupName(name), selectors, priority)


def test_one_matching_selector_of_several_is_enough() -> None:
    assert group_of([group("g", Selector(region="us"), Selector(region="eu"))], NODE) == "g"


def test_priority_decides_then_the_name() -> None:
    everything = Selector(node_ids=("*",))
    assert group_of([group("b", everything), group("a", everything)], NODE) == "a"
    assert group_of([group("b", everything, priority=1), group("a", everything)], NODE) == "b"


def test_everybody_else_is_in_default() -> None:
    selection = Selection()
    assert selection(NODE) == "default"
    selection.groups = (DEFAULT, group("us", Selector(region="us")))
    assert selection(NODE) == "default"
    selection.groups = (DEFAULT, group("eu", Selector(region="eu")))
    assert selection(NODE) == "eu"
