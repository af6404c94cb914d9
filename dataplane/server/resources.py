"""Resources that were accepted, as they came: those of the bootstrap and those that were discovered.

Here: keeping them.  Not here: compiling (compile.resource), what may be used already (xds.warming), what is used (configuration).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from dataplane.compile.meaning import is_reordered
from dataplane.xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SCOPED_ROUTE, SECRET

TYPES: Final = (CLUSTER, ENDPOINT, LISTENER, ROUTE, SCOPED_ROUTE, SECRET)


@dataclass(frozen=True, slots=True)
class Resource:
    """One accepted resource: what it compiled to, and what it was, for the admin endpoint and the workers.

    version: of the response that brought it.  added_via_api: it did not stand in the bootstrap.
    """

    name: str
    value: Any
    body: bytes
    version: str = ""
    updated_wall: float = 0.0
    added_via_api: bool = True


InUse = Mapping[str, Mapping[str, Resource]]
"""What a snapshot is made of: by type URL, then by the key under which the snapshot has the value."""


@dataclass(frozen=True, slots=True)
class Static:
    """What stands in the bootstrap, by name."""

    clusters: Mapping[str, Resource] = field(default_factory=dict)
    listeners: Mapping[str, Resource] = field(default_factory=dict)
    secrets: Mapping[str, Resource] = field(default_factory=dict)


@dataclass(slots=True)
class Discovered:
    """What has come over xDS.  settled: names (None: the wildcard) that were answered or whose time is up, by type."""

    resources: dict[str, dict[str, Resource]] = field(default_factory=lambda: {url: {} for url in TYPES})
    settled: dict[str, set[str | None]] = field(default_factory=lambda: {url: set() for url in TYPES})

    def values(self, type_url: str) -> dict[str, Any]:
        return values_of(self.resources[type_url])

    def settled_names(self, type_url: str) -> set[str]:
        return {name for name in self.settled[type_url] if name is not None}

    def take(
        self, type_url: str, changed: Mapping[str, object], removed: Collection[str], version_info: str, wall: float
    ) -> None:
        """One response.  What only stands in another order is what it was."""
        known = self.resources[type_url]
        for name, resource in changed.items():
            assert isinstance(resource, Resource)
            if name not in known or not is_reordered(type_url, known[name].body, resource.body):
                known[name] = Resource(name, resource.value, resource.body, version_info, wall)
        for name in removed:
            if type_url != SECRET:  # as in Envoy, what somebody needs of these cannot be taken back
                known.pop(name, None)

    def forget_others(self, type_url: str, wanted: Collection[str]) -> None:
        """What is no longer asked for.  If it is asked for again, it is waited for again."""
        resources = self.resources[type_url]
        for name in [name for name in resources if name not in wanted]:
            del resources[name]
        self.settled[type_url].intersection_update({None, *wanted})


def values_of(resources: Mapping[str, Resource]) -> dict[str, Any]:
    return {name: resource.value for name, resource in resources.items()}


def resources_of(values: Mapping[str, object], *candidates: Mapping[str, Resource]) -> dict[str, Resource]:
    """For each value of a snapshot the resource that compiled to it, which is one of *candidates* by the same key."""
    found = {}
    for key, value in values.items():
        known = (each.get(key) for each in candidates)
        found[key] = next(resource for resource in known if resource is not None and resource.value is value)
    return found
