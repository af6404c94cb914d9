"""A generation of the whole configuration, and the one place that says which is current.

A request reads `holder.current` once and keeps that snapshot to its end; unchanged parts are the same objects in the next one, so
a difference is `is not`.  Nothing here changes after it was made, but the holder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from dataplane.routing.route import RouteConfiguration
from dataplane.routing.scopes import RouteScope, ScopeKey
from dataplane.snapshot.cluster import Cluster, LoadAssignment
from dataplane.snapshot.listener import Listener
from dataplane.snapshot.secret import SecretValue

_NO_SECRETS: Mapping[str, SecretValue] = MappingProxyType({})
_NO_SCOPES: Mapping[str, RouteScope] = MappingProxyType({})
_NO_KEYS: Mapping[ScopeKey, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One generation.  Everything in it is warm: usable now, or knowingly given up waiting for."""

    generation: int
    listeners: Mapping[str, Listener]
    route_configurations: Mapping[str, RouteConfiguration]  # from RDS, by name
    clusters: Mapping[str, Cluster]
    assignments: Mapping[str, LoadAssignment]  # from EDS, by cluster name
    secrets: Mapping[str, SecretValue] = field(default_factory=lambda: _NO_SECRETS)  # by SecretReference.key
    scopes: Mapping[str, RouteScope] = field(default_factory=lambda: _NO_SCOPES)  # from SRDS, by name
    scopes_by_key: Mapping[ScopeKey, str] = field(default_factory=lambda: _NO_KEYS)  # their route configurations' names


EMPTY = Snapshot(0, MappingProxyType({}), MappingProxyType({}), MappingProxyType({}), MappingProxyType({}))


class Holder:
    """The only mutable reference to configuration.  Written by the assembly, read by everybody."""

    __slots__ = ("current",)

    def __init__(self) -> None:
        self.current = EMPTY
