"""What the control plane asks of a store: etcd's key-value contract, and no more of it than is used.

Here: the values, the `Store` protocol, its errors.  Not here: any implementation (sqlite), what the keys mean (revisions).
Every implementation passes `tests/conformance/store_kit.py`.
Spec: etcd, "KV API guarantees" and "API reference: KV, Watch".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol


class StoreError(Exception):
    """Base of what a store raises; anything else is a bug."""


class Compacted(StoreError):
    """The revision asked for was compacted away.  revision: the oldest one that can still be read."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"revision was compacted; the oldest readable one is {revision}")
        self.revision = revision


class FutureRevision(StoreError):
    """The revision asked for has not been written yet."""


class StoreUnavailable(StoreError):
    """The store cannot be opened or reached: another process holds it, the disk is full, the file is not a store."""


class StoreClosed(StoreError):
    """The store was closed by its owner."""


@dataclass(frozen=True, slots=True)
class KeyValue:
    """One key as it stood at one revision.  version counts the writes since the key was created, from 1."""

    key: bytes
    value: bytes
    create_revision: int
    mod_revision: int
    version: int


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Keys from *start* up to but not including *end*, in byte order.  An empty end means no upper bound."""

    start: bytes
    end: bytes

    @classmethod
    def of_prefix(cls, prefix: bytes) -> KeyRange:
        """All keys that begin with *prefix*."""
        stem = prefix.rstrip(b"\xff")
        return cls(prefix, stem[:-1] + bytes([stem[-1] + 1]) if stem else b"")

    @classmethod
    def of_key(cls, key: bytes) -> KeyRange:
        """Exactly one key."""
        return cls(key, key + b"\x00")


@dataclass(frozen=True, slots=True)
class RangeResult:
    """revision: the store's newest revision when the range was read, whatever revision was asked for."""

    revision: int
    items: tuple[KeyValue, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """Holds when *key* was last modified at exactly *mod_revision*; 0: when the key does not exist."""

    key: bytes
    mod_revision: int


@dataclass(frozen=True, slots=True)
class Put:
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Delete:
    key: bytes


Operation = Put | Delete


@dataclass(frozen=True, slots=True)
class TxnResult:
    """succeeded: all comparisons held and the operations were written.  revision: the store's newest after the transaction."""

    succeeded: bool
    revision: int


@dataclass(frozen=True, slots=True)
class PutEvent:
    item: KeyValue


@dataclass(frozen=True, slots=True)
class DeleteEvent:
    key: bytes
    mod_revision: int


@dataclass(frozen=True, slots=True)
class WatchBatch:
    """What one transaction changed in the watched range, ordered by key.  Never empty, never part of a transaction."""

    revision: int
    events: tuple[PutEvent | DeleteEvent, ...]


class Store(Protocol):
    """An ordered key-value store with history.

    Each transaction that writes gets the next revision; all it wrote becomes visible at once and survives a crash from the moment
    `transact` returned.  Revisions start at 1 for the first write, so revision 0 is the empty store.
    """

    async def read(self, keys: KeyRange, *, revision: int = 0, limit: int = 0) -> RangeResult:
        """The keys of a range in byte order, as of *revision* (0: newest), at most *limit* of them (0: all).

        Raises Compacted, FutureRevision.
        """
        ...

    async def transact(self, compares: Sequence[Compare], operations: Sequence[Operation]) -> TxnResult:
        """Write all *operations* if all *compares* hold, otherwise nothing.

        Deleting a missing key changes nothing; a transaction that changes nothing takes no revision.  A key may occur once among
        the operations (ValueError).  At most MAX_OPERATIONS of them.
        """
        ...

    def watch(self, keys: KeyRange, from_revision: int) -> AsyncIterator[WatchBatch]:
        """Every change of a range from *from_revision* on, in order, without gaps: first history, then live, until closed.

        The iteration raises Compacted when history from there on is gone, StoreClosed when the store is closed.
        """
        ...

    async def compact(self, revision: int) -> None:
        """Forget what can only be seen at revisions before *revision*.  Raises Compacted, FutureRevision."""
        ...

    async def close(self) -> None:
        """End all watches and release the store.  A second call does nothing."""
        ...


# etcd's default --max-txn-ops; writers split larger batches, so that what works embedded works there too.
MAX_OPERATIONS = 128
