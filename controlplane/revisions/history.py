"""Revisions in the store: append the next, read any, follow those that others append.

Here: what the store's keys mean.  Not here: making the next configuration (configuration), validity (build), delivery.
Keys, under `pointsman/v1/`:  `content/<digest>` bodies, pieces and groups;  `revision/<number>` records;  `head` the newest number.
Rules this file owns:
- Content is written before the record that names it; a crash between the two leaves unused content, never a broken revision.
- The record and `head` are written in one transaction that requires `head` unchanged: of two writers one wins, the other learns it.
- No revision is ever removed: history is what makes a roll-back possible, and unchanged content costs nothing.
- Revisions are numbered 1, 2, 3, … without gaps; revision 0 is the empty configuration and is not stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from controlplane.base.errors import Conflict, NotFound
from controlplane.base.resource import Resource, Revision
from controlplane.revisions import record as stored
from controlplane.revisions.configuration import Configuration, ResourceKey
from controlplane.revisions.record import NO_REVISION, Corrupt, Record, RevisionInfo
from controlplane.store.contract import MAX_OPERATIONS, Compare, KeyRange, Put, PutEvent, Store

PREFIX = b"pointsman/v1/"
HEAD = PREFIX + b"head"

# Reads under way at once: enough to hide the round trip, few enough not to flood the store.
READ_AHEAD = 128
# Below etcd's default request limit of 1.5 MiB.
MAX_BATCH_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Stored:
    """A revision that is in the store."""

    info: RevisionInfo
    configuration: Configuration


class History:
    """The revisions in one store.  `newest` is the last one this process has loaded or written."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._head_modified = 0
        self.newest = Stored(RevisionInfo(NO_REVISION, "", "", 0.0), Configuration())

    async def load(self) -> Stored:
        """Make the newest stored revision `newest`, and return it."""
        found = (await self._store.read(KeyRange.of_key(HEAD))).items
        if found and found[0].mod_revision != self._head_modified:
            newest = await self.read(Revision(int(found[0].value)))
            self.newest, self._head_modified = newest, found[0].mod_revision
        return self.newest

    async def append(self, info: RevisionInfo, configuration: Configuration) -> Stored:
        """Store *configuration* as the next revision.  Raises Conflict when another process was faster; `load` then catches up."""
        assert info.revision == self.newest.info.revision + 1
        record = await self._write_content(info, configuration)
        key = _revision_key(info.revision)
        operations = [Put(key, stored.encode_record(record)), Put(HEAD, str(info.revision).encode())]
        result = await self._store.transact([Compare(HEAD, self._head_modified), Compare(key, 0)], operations)
        if not result.succeeded:
            raise Conflict(self.newest.info.revision, info.revision)
        self._head_modified = result.revision
        self.newest = Stored(info, configuration)
        return self.newest

    async def read(self, revision: Revision) -> Stored:
        """Any revision.  Bodies that `newest` has too are the same objects.  Raises NotFound."""
        if revision == self.newest.info.revision:
            return self.newest
        if revision == NO_REVISION:
            return Stored(RevisionInfo(NO_REVISION, "", "", 0.0), Configuration())
        record = await self._record(revision)
        groups = stored.decode_groups(await self._content(record.groups))
        resources = await self._resources(record.pieces)
        return Stored(record.info, Configuration(MappingProxyType(groups), MappingProxyType(resources)))

    async def infos(self, limit: int, before: Revision = NO_REVISION) -> list[RevisionInfo]:
        """At most *limit* revisions, newest first; with *before*, only older ones than that."""
        last = Revision(min(before, self.newest.info.revision + 1) if before else self.newest.info.revision + 1)
        first = Revision(max(1, last - limit))
        found = await self._store.read(KeyRange(_revision_key(first), _revision_key(last)))
        return [stored.decode_record(item.value).info for item in reversed(found.items)]

    async def follow(self) -> AsyncIterator[Revision]:
        """The numbers of revisions newer than `newest`, as they are appended, also by other processes; some may be skipped."""
        async for batch in self._store.watch(KeyRange.of_key(HEAD), self._head_modified + 1):
            for event in batch.events:
                if isinstance(event, PutEvent):
                    yield Revision(int(event.item.value))

    async def _write_content(self, info: RevisionInfo, configuration: Configuration) -> Record:
        groups = stored.encode_groups(configuration.groups.values())
        # In a thread: hashing 10,000 resources takes longer than a stream should wait.
        pieces = await asyncio.to_thread(stored.encode_pieces, configuration.resources)
        before = self.newest.configuration.resources
        bodies = [resource.body for key, resource in configuration.resources.items() if before.get(key) is not resource]
        await self._put_missing([*bodies, *pieces, groups])
        return Record(info, stored.digest(groups), tuple(stored.digest(piece) for piece in pieces))

    async def _put_missing(self, contents: Iterable[bytes]) -> None:
        missing = {key: content for content in contents if not await self._holds(key := _content_key(stored.digest(content)))}
        for batch in _batches(missing):
            await self._store.transact((), batch)

    async def _holds(self, key: bytes) -> bool:
        return bool((await self._store.read(KeyRange.of_key(key))).items)

    async def _resources(self, pieces: Iterable[str]) -> dict[ResourceKey, Resource]:
        known = self.newest.configuration.resources
        resources: dict[ResourceKey, Resource] = {}
        missing: list[tuple[ResourceKey, str]] = []
        for piece in await self._contents(pieces):
            for key, digest in stored.decode_piece(piece):
                before = known.get(key)
                if before is not None and stored.digest(before.body) == digest:
                    resources[key] = before
                else:
                    missing.append((key, digest))
        bodies = await self._contents(digest for _, digest in missing)
        resources.update((key, Resource.of(key.type_url, key.name, body)) for (key, _), body in zip(missing, bodies, strict=True))
        return resources

    async def _record(self, revision: Revision) -> Record:
        found = (await self._store.read(KeyRange.of_key(_revision_key(revision)))).items
        if not found:
            raise NotFound(f"revision {revision} does not exist")
        return stored.decode_record(found[0].value)

    async def _contents(self, digests: Iterable[str]) -> list[bytes]:
        waiting = list(digests)
        found: list[bytes] = []
        for start in range(0, len(waiting), READ_AHEAD):
            found += await asyncio.gather(*map(self._content, waiting[start : start + READ_AHEAD]))
        return found

    async def _content(self, digest: str) -> bytes:
        found = (await self._store.read(KeyRange.of_key(_content_key(digest)))).items
        if not found or stored.digest(found[0].value) != digest:
            raise Corrupt(f"content {digest} is missing from the store or damaged")
        return found[0].value


def _batches(contents: Mapping[bytes, bytes]) -> Iterable[list[Put]]:
    batch: list[Put] = []
    size = 0
    for key, content in contents.items():
        if batch and (len(batch) == MAX_OPERATIONS or size + len(content) > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(Put(key, content))
        size += len(content)
    if batch:
        yield batch


def _content_key(digest: str) -> bytes:
    return PREFIX + b"content/" + digest.encode()


def _revision_key(revision: Revision) -> bytes:
    return PREFIX + b"revision/" + b"%010d" % revision
