"""What many streams have in common is computed once: responses, differences, selections.

Here: memoized pure functions of views, bounded in number and in bytes.  Not here: anything about one stream.

Keys hold the views themselves, which compare by identity; a view that is not in use any more leaves with its entries.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from types import MappingProxyType
from typing import Generic, TypeVar

from controlplane.base.resource import Resource
from controlplane.delivery import wire
from controlplane.delivery.snapshot import Changes, Snapshot, TypeView, changes_between

# Enough for every type of a few dozen groups on their way from one revision to the next.
MAX_ENTRIES = 512
# Responses are the large part: the whole of 10,000 clusters takes about 10 MB.
MAX_RESPONSE_BYTES = 64 << 20
# How many contents of each type a reconnecting client may refer to by their digest.
MAX_REMEMBERED = 256

V = TypeVar("V")


class Memo(Generic[V]):
    """Least recently used entries of one kind, bounded by the sum of their sizes."""

    __slots__ = ("_entries", "_limit", "_size", "_size_of")

    def __init__(self, limit: int, size_of: Callable[[V], int] = lambda _: 1) -> None:
        self._entries: OrderedDict[Hashable, V] = OrderedDict()
        self._limit = limit
        self._size_of = size_of
        self._size = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> V | None:
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
        return found

    def put(self, key: Hashable, value: V) -> V:
        """Keep *value* if it is small enough to be kept at all; return it in any case."""
        size = self._size_of(value)
        if size <= self._limit and key not in self._entries:
            self._entries[key] = value
            self._size += size
            while self._size > self._limit:
                _, gone = self._entries.popitem(last=False)
                self._size -= self._size_of(gone)
        return value


class Cache:
    """Shared by all streams of a hub.  Responses come without their nonce (wire.with_nonce)."""

    __slots__ = ("_changes", "_remembered", "_responses", "_views")

    def __init__(self) -> None:
        self._responses: Memo[bytes] = Memo(MAX_RESPONSE_BYTES, len)
        self._changes: Memo[Changes] = Memo(MAX_ENTRIES)
        self._views: Memo[TypeView] = Memo(MAX_ENTRIES)
        self._remembered: Memo[TypeView] = Memo(MAX_REMEMBERED)

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
            found = self._views.put(key, TypeView.of(view.type_url, MappingProxyType(chosen), view.since))
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
            found = self._views.put(key, TypeView.of(view.type_url, MappingProxyType(together), view.since))
            self._remember(found)
        return found

    def sotw(self, view: TypeView, version: str, names: frozenset[str] | None = None) -> bytes:
        """The DiscoveryResponse with all of *view*, or with some of it."""
        key = ("sotw", view, version, names)
        found = self._responses.get(key)
        if found is None:
            resources = view.resources.values() if names is None else _chosen(view, names)
            found = self._responses.put(key, wire.sotw_response(version, view.type_url, resources))
        return found

    def delta(self, view: TypeView, changed: frozenset[str], removed: frozenset[str]) -> bytes:
        """The DeltaDiscoveryResponse with the *changed* resources of *view* and the names of *removed* ones."""
        key = ("delta", view, changed, removed)
        found = self._responses.get(key)
        if found is None:
            body = wire.delta_response(view.version, view.type_url, _chosen(view, changed), sorted(removed))
            found = self._responses.put(key, body)
        return found

    def remember(self, snapshot: Snapshot) -> None:
        """Let `recall` find the snapshot's views."""
        for view in snapshot.views.values():
            self._remember(view)

    def recall(self, type_url: str, digest: str) -> TypeView | None:
        """A content that was served not long ago."""
        return self._remembered.get((type_url, digest))

    def _remember(self, view: TypeView) -> None:
        self._remembered.put((view.type_url, view.digest), view)


def _chosen(view: TypeView, names: frozenset[str]) -> Iterable[Resource]:
    return (view.resources[name] for name in sorted(names))


_NO_CHANGES = Changes(frozenset(), frozenset())
