"""Proxy groups as an operator defines them.

Here: the values.  Not here: which proxy falls into which group (service.selection), what a group's proxies get (revisions.effective).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from controlplane.base.resource import DEFAULT_GROUP, GroupName


@dataclass(frozen=True, slots=True)
class Selector:
    """Conditions on one proxy; all that are given must hold.

    Patterns match the whole text; `*` stands for any run of characters, everything else for itself.  Of several patterns for the
    node id (or the node cluster) one must match.  metadata: dotted path and pattern.  An empty selector matches no proxy.
    """

    node_ids: tuple[str, ...] = ()
    node_clusters: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    region: str = ""
    zone: str = ""
    sub_zone: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Proxies that get the same resources.

    selectors: a proxy is selected if any of them matches.  priority: among the groups that select a proxy the highest wins, then
    the first by name.  inherits: the group's proxies also get the resources of `default`, except those the group has under the
    same type and name.
    """

    name: GroupName
    selectors: tuple[Selector, ...] = ()
    priority: int = 0
    inherits: bool = field(default=True)


# Every proxy that no other group selects; it exists always and cannot be redefined.
DEFAULT = Group(DEFAULT_GROUP, inherits=False)
