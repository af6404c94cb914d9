"""What many streams have in common is computed once: responses, differences, selections.

Here: memoized pure functions of views, bounded in number and in bytes.  Not here: anything about one stream.

Keys hold the views themselves, which compare by identity and stay alive with their entries; so they count into the bounds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from types import MappingProxyType
from typing import Generic, TypeVar

from controlplane.base.resource import Resource
from controlplane.delivery import wire
from controlplane.delivery.snapshot import Changes, Snapshot, TypeView, changes_between
from controlplane.delivery.warming import endpoints_of

# Enough for every type of a few dozen groups on their way from one revision to the next.
MAX_CHANGES = 256
# Responses are the large part: the whole of 10,000 clusters takes about 10 MB.
MAX_RESPONSE_BYTES = 64 << 20
# Views are mappings that share their resources; what they cost is an entry per name.
BYTES_PER_NAME = 64
MAX_VIEW_BYTES = 32 << 20

V = TypeVar("V")


class Memo(Generic[V]):
    """Least recently used entries of one kind, bounded by the sum of their sizes."""

    __slots__ = ("_entries", "_limit", "_size")

    def __init__(self, limit: int) -> None:
        self._entries: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()
        self._limit = limit
        self._size = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> V | None:
        found = self._entries.get(key)
        if found is None:
            return None
        self._entries.move_to_end(key)
        return found[0]

    def put(self, key: Hashable, value: V, size: int = 1) -> V:
        """Keep *value* if it is small enough to be kept at all; return it in any case."""
        if size <= self._limit and key not in self._entries:
            self._entries[key] = (value, size)
            self._size += size
            while self._size > self._limit:
                _, (_, freed) = self._entries.popitem(last=False)
                self._size -= freed
        return value


class Cache:
    """Shared by all streams of a hub.  Responses come without their nonce (wire.with_nonce)."""

    __slots__ = ("_changes", "_endpoints", "_remembered", "_responses", "_views")

    def __init__(self) -> None:
        self._responses: Memo[bytes] = Memo(MAX_RESPONSE_BYTES)
        self._changes: Memo[Changes] = Memo(MAX_CHANGES)
        self._endpoints: Memo[frozenset[str]] = Memo(MAX_VIEW_BYTES)
        self._views: Memo[TypeView] = Memo(MAX_VIEW_BYTES)
        self._remembered: Memo[TypeView] = Memo(MAX_VIEW_BYTES)

    def changes(self, old: TypeView, new: TypeView) -> Changes:
        """changes_between, once per pair."""
        if old is new:
            return _NO_CHANGES
        key = (old, new)
        return self._changes.get(key) or self._changes.put(key, changes_between(old, new))

    def select(self, view: TypeView, names: frozenset[str]) -> TypeView:
        """The part of *view* that *names* name."""
        key = (view, names)
        found = self._views.get(key)
        if found is None:
            chosen = {name: view.resources[name] for name in sorted(names) if name in view.resources}
            found = TypeView.of(view.type_url, MappingProxyType(chosen), view.since)
            self._views.put(key, found, _weight(view))
        return found

    def keeping(self, view: TypeView, held: Iterable[Resource]) -> TypeView:
        """*view* with resources that left it and stay with a client for now."""
        kept = frozenset(held)
        if not kept:
            return view
        key = (view, kept)
        found = self._views.get(key)
        if found is None:
            together = {**view.resources, **{resource.name: resource for resource in kept}}
            found = TypeView.of(view.type_url, MappingProxyType(together), view.since)
            self._views.put(key, found, _weight(found))
            self._remember(found)
        return found

    def sotw(self, view: TypeView, version: str, names: frozenset[str] | None = None) -> bytes:
        """The DiscoveryResponse with all of *view*, or with some of it."""
        key = ("sotw", view, version, names)
        found = self._responses.get(key)
        if found is None:
            resources = view.resources.values() if names is None else _chosen(view, names)
            found = wire.sotw_response(version, view.type_url, resources)
            self._responses.put(key, found, len(found) + _weight(view))
        return found

    def delta(self, view: TypeView, changed: frozenset[str], removed: frozenset[str]) -> bytes:
        """The DeltaDiscoveryResponse with the *changed* resources of *view* and the names of *removed* ones."""
        key = ("delta", view, changed, removed)
        found = self._responses.get(key)
        if found is None:
            found = wire.delta_response(view.version, view.type_url, _chosen(view, changed), sorted(removed))
            self._responses.put(key, found, len(found) + _weight(view))
        return found

    def endpoints_of(self, clusters: TypeView, names: frozenset[str]) -> frozenset[str]:
        """warming.endpoints_of, once per question: the first response to every client changes every cluster."""
        key = (clusters, names)
        found = self._endpoints.get(key)
        if found is None:
            found = self._endpoints.put(key, endpoints_of(clusters, names), _weight(clusters))
        return found

    def remember(self, snapshot: Snapshot) -> None:
        """Let `recall` find the snapshot's views."""
        for view in snapshot.views.values():
            self._remember(view)

    def recall(self, type_url: str, digest: str) -> TypeView | None:
        """A content that was served not long ago."""
        return self._remembered.get((type_url, digest))

    def _remember(self, view: TypeView) -> None:
        self._remembered.put((view.type_url, view.digest), view, _weight(view))


def _weight(view: TypeView) -> int:
    """What an entry costs that keeps *view* alive."""
    return BYTES_PER_NAME * (len(view.resources) + 1)


def _chosen(view: TypeView, names: frozenset[str]) -> Iterable[Resource]:
    return (view.resources[name] for name in sorted(names))


_NO_CHANGES = Changes(frozenset(), frozenset())
