"""Which group a proxy belongs to.

Here: pure matching of a node against the groups of a configuration.  Not here: what a group's proxies get (revisions.effective).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from controlplane.base.group import Group, Selector
from controlplane.base.resource import DEFAULT_GROUP, GroupName
from controlplane.delivery.status import NodeFacts


def group_of(groups: Iterable[Group], facts: NodeFacts) -> GroupName:
    """Of the groups that select the proxy: the highest priority, then the first by name; `default` if there is none."""
    selecting = [group for group in groups if any(selects(selector, facts) for selector in group.selectors)]
    return min(selecting, key=lambda group: (-group.priority, group.name)).name if selecting else DEFAULT_GROUP


def selects(selector: Selector, facts: NodeFacts) -> bool:
    """All conditions given must hold; a selector without any selects nothing."""
    if selector == Selector():
        return False
    return (
        _any_matches(selector.node_ids, facts.node_id)
        and _any_matches(selector.node_clusters, facts.node_cluster)
        and all(matches(pattern, _metadata_text(facts.metadata, path)) for path, pattern in selector.metadata)
        and _optional(selector.region, facts.locality.region)
        and _optional(selector.zone, facts.locality.zone)
        and _optional(selector.sub_zone, facts.locality.sub_zone)
    )


def matches(pattern: str, text: str | None) -> bool:
    """`*` stands for any run of characters.  Linear in the text, which a stranger may have chosen.  None never matches."""
    if text is None:
        return False
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == text
    *middle, last = rest
    if not text.startswith(first) or len(text) < len(first) + len(last) or not text.endswith(last):
        return False
    position, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True


def _any_matches(patterns: tuple[str, ...], text: str) -> bool:
    return not patterns or any(matches(pattern, text) for pattern in patterns)


def _optional(pattern: str, text: str) -> bool:
    return not pattern or matches(pattern, text)


def _metadata_text(metadata: Mapping[str, object], path: str) -> str | None:
    """The value at a dotted path as text; a key that contains dots wins over descending."""
    if path in metadata:
        return _text(metadata[path])
    head, _, tail = path.partition(".")
    below = metadata.get(head)
    return _metadata_text(below, tail) if tail and isinstance(below, Mapping) else None


def _text(value: object) -> str | None:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return str(int(value)) if value.is_integer() else str(value)  # all numbers in a Struct are doubles
        case str() | int():
            return str(value)
    return None


class Selection:
    """The groups proxies are selected by now; what delivery asks for each node.  `groups` is replaced when a revision changes them."""

    def __init__(self) -> None:
        self.groups: tuple[Group, ...] = ()

    def __call__(self, facts: NodeFacts) -> GroupName:
        return group_of(self.groups, facts)
