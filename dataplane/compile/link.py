"""All accepted values → one snapshot.

It cannot fail: what a value names and is not there is somebody else's question (xds.warming before, 503 or 404 at run time).
Unchanged mappings stay the same objects, so that a diff of two generations looks only into what changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

from dataplane.routing.route import RouteConfiguration
from dataplane.routing.scopes import RouteScope, index_scopes
from dataplane.snapshot.cluster import Cluster, LoadAssignment
from dataplane.snapshot.listener import Listener
from dataplane.snapshot.secret import SecretValue
from dataplane.snapshot.snapshot import Snapshot

Value = TypeVar("Value")
_NO_SECRETS: Mapping[str, SecretValue] = MappingProxyType({})
_NO_SCOPES: Mapping[str, RouteScope] = MappingProxyType({})


def link(
    listeners: Mapping[str, Listener],
    routes: Mapping[str, RouteConfiguration],
    clusters: Mapping[str, Cluster],
    assignments: Mapping[str, LoadAssignment],
    previous: Snapshot,
    secrets: Mapping[str, SecretValue] = _NO_SECRETS,
    scopes: Mapping[str, RouteScope] = _NO_SCOPES,
) -> Snapshot:
    """The next generation, or *previous* itself where nothing changed.

    routes: from RDS, by name.  assignments: from EDS, by cluster name.  secrets: by SecretReference.key.  scopes: by name.
    The mappings are copied: they may change afterwards.
    """
    scopes = _reuse(previous.scopes, scopes)
    following = Snapshot(
        previous.generation + 1,
        _reuse(previous.listeners, listeners),
        _reuse(previous.route_configurations, routes),
        _reuse(previous.clusters, clusters),
        _reuse(previous.assignments, assignments),
        _reuse(previous.secrets, secrets),
        scopes,
        previous.scopes_by_key if scopes is previous.scopes else index_scopes(scopes),
    )
    unchanged = (
        following.listeners is previous.listeners
        and following.route_configurations is previous.route_configurations
        and following.clusters is previous.clusters
        and following.assignments is previous.assignments
        and following.secrets is previous.secrets
        and following.scopes is previous.scopes
    )
    return previous if unchanged else following


def _reuse(old: Mapping[str, Value], new: Mapping[str, Value]) -> Mapping[str, Value]:
    """*old* where *new* has the same objects under the same names."""
    if old is new or (len(old) == len(new) and all(old.get(name) is value for name, value in new.items())):
        return old
    return MappingProxyType(dict(new))
