"""Decision trees: a branch that finds nothing is as one that does not match."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any

from dataplane.matching.tree import ExactMap, FirstOf, IpMap, IpRange, Leaf, Node, Nothing, PrefixMap


def itself(subject: Any) -> str | None:
    return str(subject) if subject is not None else None


OTHERWISE: Node[str] = Leaf("otherwise")
A, B, NOTHING = Leaf("a"), Leaf("b"), Nothing()


def ips(*ranges: tuple[str, Node[str], bool]) -> IpMap[str]:
    made = [IpRange(ip_network(network), node, exclusive) for network, node, exclusive in ranges]
    return IpMap(itself, sorted(made, key=lambda each: -each.network.prefixlen), OTHERWISE)


def test_exact() -> None:
    tree = ExactMap(itself, {"x": A, "y": NOTHING}, OTHERWISE)
    assert [tree.find(subject) for subject in ("x", "y", "z", None)] == ["a", "otherwise", "otherwise", "otherwise"]


def test_the_longest_prefix_that_finds_something() -> None:
    branches: Sequence[tuple[str, Node[str]]] = [("abc", NOTHING), ("ab", B), ("a", A)]
    tree = PrefixMap(itself, branches, OTHERWISE)
    assert [tree.find(subject) for subject in ("abcd", "abx", "ax", "x", None)] == ["b", "b", "a", "otherwise", "otherwise"]


def test_the_first_branch_that_finds_something() -> None:
    tree: FirstOf[str] = FirstOf([(lambda subject: True, NOTHING), (lambda subject: subject == 1, A)], OTHERWISE)
    assert [tree.find(subject) for subject in (1, 2)] == ["a", "otherwise"]


def test_the_narrowest_range_that_finds_something() -> None:
    tree = ips(("10.0.0.0/8", A, False), ("10.1.0.0/16", B, False), ("10.1.1.0/24", NOTHING, False), ("::/0", B, False))
    found = [tree.find(subject) for subject in ("10.9.9.9", "10.1.9.9", "10.1.1.1", "9.9.9.9", "::1", "no address", None)]
    assert found == ["a", "b", "b", "otherwise", "b", "otherwise", "otherwise"]


def test_an_exclusive_range_is_asked_first_or_not_at_all() -> None:
    tree = ips(("10.0.0.0/8", A, True), ("10.1.0.0/16", NOTHING, False))
    assert [tree.find(subject) for subject in ("10.9.9.9", "10.1.9.9")] == ["a", "otherwise"]
