"""One group's resources, type by type, with versions that follow the content.

Here: `TypeView`, `Snapshot`, and the difference between two views.  Not here: bytes on the wire (wire, cache), who gets what.

A version reads `REVISION-DIGEST`: the revision tells a human when the content came, the digest tells a machine what it is.
Only the digest is ever compared, so a restarted control plane that serves the same content does not make clients take it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from controlplane.base.resource import Resource, ResourceSet, Revision

NO_REVISION = Revision(0)


@dataclass(frozen=True, slots=True, eq=False)
class TypeView:
    """Resources of one type by name.  Compared by identity: equal content under one revision after another is one object.

    since: the revision that brought this content, as far as this process has seen.
    """

    type_url: str
    resources: Mapping[str, Resource]
    digest: str
    since: Revision

    @classmethod
    def of(cls, type_url: str, resources: Mapping[str, Resource], since: Revision) -> TypeView:
        return cls(type_url, resources, digest_of(resources), since)

    @property
    def version(self) -> str:
        return f"{self.since}-{self.digest}"

    @property
    def part_version(self) -> str:
        """The version of a response that holds only some of the view; having it does not mean having the view."""
        return f"{self.version}.part"

    def version_of(self, name: str) -> str:
        """The version of one resource; empty where there is none."""
        found = self.resources.get(name)
        return "" if found is None else found.version


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """What leads from one view to another: names to send again, names that are gone."""

    changed: frozenset[str]
    removed: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What one group's proxies shall have at one revision."""

    revision: Revision
    views: Mapping[str, TypeView]

    def view(self, type_url: str) -> TypeView:
        """The view of a type; an empty one where the group has no resource of it."""
        found = self.views.get(type_url)
        return empty_view(type_url) if found is None else found


def advance(previous: Snapshot | None, resources: ResourceSet) -> Snapshot:
    """The snapshot after *previous*.  Views whose content stayed the same stay the same objects."""
    views: dict[str, TypeView] = {}
    for type_url, by_name in resources.by_type.items():
        old = None if previous is None else previous.views.get(type_url)
        if old is not None and old.resources is by_name:
            views[type_url] = old
            continue
        new = TypeView.of(type_url, by_name, resources.revision)
        views[type_url] = old if old is not None and old.digest == new.digest else new
    return Snapshot(resources.revision, MappingProxyType(views))


def changes_between(old: TypeView, new: TypeView) -> Changes:
    """Compare by version, so a resource that was read anew with the same content is no change."""
    before, after = old.resources, new.resources
    changed = frozenset(
        name
        for name, resource in after.items()
        if (was := before.get(name)) is not resource and (was is None or was.version != resource.version)
    )
    return Changes(changed, frozenset(name for name in before if name not in after))


@lru_cache(maxsize=64)
def empty_view(type_url: str) -> TypeView:
    """No resources.  The same object for the same type, as long as few types are asked for; type URLs come from clients."""
    return TypeView(type_url, _NOTHING, _DIGEST_OF_NOTHING, NO_REVISION)


def claimed_view(type_url: str, versions: Mapping[str, str]) -> TypeView:
    """What a reconnecting client says it has: names and versions, whose bodies nobody will ask for."""
    resources = {name: Resource(type_url, name, b"", version) for name, version in versions.items()}
    return TypeView.of(type_url, resources, NO_REVISION)


def digest_of(resources: Mapping[str, Resource]) -> str:
    """Twelve hexadecimal digits that change exactly when a name or a version does."""
    return _digest(f"{name}\0{resources[name].version}\0" for name in sorted(resources))


def digest_in(version: str) -> str:
    """The digest of a version that this or another control plane process gave out."""
    return version.rpartition("-")[2]


def _digest(lines: Iterable[str]) -> str:
    return hashlib.blake2b("".join(lines).encode(), digest_size=6).hexdigest()


_NOTHING: Mapping[str, Resource] = MappingProxyType({})
_DIGEST_OF_NOTHING = _digest(())
