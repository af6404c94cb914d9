"""The store embedded in one SQLite file: for a control plane of one process.

Here: SQL and the thread it runs in; watches.  Not here: what keys mean.
Rules this file owns:
- One connection, used by one thread only; the event loop never waits for the disk.
- Rows are never updated: a write appends (key, mod_revision).  A transaction of the contract is a transaction of SQLite.
- WAL with synchronous=FULL: what `transact` confirmed survives a power cut.  locking_mode=EXCLUSIVE: a second process is refused.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from controlplane.store.contract import (
    MAX_OPERATIONS,
    Compacted,
    Compare,
    DeleteEvent,
    FutureRevision,
    KeyRange,
    KeyValue,
    Operation,
    Put,
    PutEvent,
    RangeResult,
    StoreClosed,
    StoreUnavailable,
    TxnResult,
    WatchBatch,
)

Row = tuple[bytes, bytes | None, int, int, int]
Result = TypeVar("Result")

NO_END = b"\xff" * 1024
FORMAT = 1  # PRAGMA user_version; a newer file is refused instead of misread

_SCHEMA = """
CREATE TABLE IF NOT EXISTS history (
    key BLOB NOT NULL,
    mod_revision INTEGER NOT NULL,
    create_revision INTEGER NOT NULL,
    version INTEGER NOT NULL,
    value BLOB,
    PRIMARY KEY (key, mod_revision)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS history_by_revision ON history (mod_revision);
CREATE TABLE IF NOT EXISTS position (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), newest INTEGER, compacted INTEGER);
INSERT OR IGNORE INTO position VALUES (1, 0, 0);
"""

# A deleted key is a row without a value: the newest row of each key at or before a revision tells what was there.
_READ = """
SELECT key, value, create_revision, mod_revision, version FROM history AS h
WHERE key >= :start AND key < :end AND value IS NOT NULL
  AND mod_revision = (SELECT max(mod_revision) FROM history WHERE key = h.key AND mod_revision <= :revision)
ORDER BY key LIMIT :limit
"""

_CHANGES = """
SELECT key, value, create_revision, mod_revision, version FROM history
WHERE mod_revision BETWEEN :first AND :last AND key >= :start AND key < :end ORDER BY mod_revision, key
"""

_APPEND = "INSERT INTO history (key, value, create_revision, mod_revision, version) VALUES (?, ?, ?, ?, ?)"
_NEWEST_ROW = "SELECT value, create_revision, mod_revision, version FROM history WHERE key = ? ORDER BY mod_revision DESC LIMIT 1"

_FORGET = """
DELETE FROM history WHERE mod_revision < :revision AND (
    value IS NULL
    OR EXISTS (SELECT 1 FROM history AS later
               WHERE later.key = history.key AND later.mod_revision > history.mod_revision AND later.mod_revision <= :revision))
"""


class SqliteStore:
    """A `Store` in one file.  Made by `open`; used from one event loop."""

    def __init__(self, thread: ThreadPoolExecutor, connection: sqlite3.Connection) -> None:
        self._thread = thread
        self._connection = connection
        self._written = asyncio.Event()  # set and replaced after each write: wakes the watches
        self._closed = False

    @classmethod
    async def open(cls, path: Path) -> SqliteStore:
        """Open or create the file.  Raises StoreUnavailable."""
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        try:
            connection = await asyncio.get_running_loop().run_in_executor(thread, _connect, path)
        except (sqlite3.Error, OSError) as error:
            thread.shutdown()
            raise StoreUnavailable(f"cannot open store {path}: {error}") from error
        except StoreUnavailable:
            thread.shutdown()
            raise
        return cls(thread, connection)

    async def read(self, keys: KeyRange, *, revision: int = 0, limit: int = 0) -> RangeResult:
        return await self._run(lambda: self._read(keys, revision, limit))

    async def transact(self, compares: Sequence[Compare], operations: Sequence[Operation]) -> TxnResult:
        if len({operation.key for operation in operations}) != len(operations):
            raise ValueError("a key occurs twice in one transaction")
        if len(operations) > MAX_OPERATIONS:
            raise ValueError(f"more than {MAX_OPERATIONS} operations in one transaction")
        result = await self._run(lambda: self._transact(compares, operations))
        if result.succeeded:
            self._wake()
        return result

    async def watch(self, keys: KeyRange, from_revision: int) -> AsyncIterator[WatchBatch]:
        following = from_revision
        while True:
            written = self._written  # taken before reading, so that no write falls between the two
            newest, batches = await self._run(lambda first=following: self._changes(keys, first))  # type: ignore[misc]
            for batch in batches:
                yield batch
            following = max(following, newest + 1)
            await written.wait()

    async def compact(self, revision: int) -> None:
        await self._run(lambda: self._compact(revision))

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown()
        self._wake()

    async def _run(self, work: Callable[[], Result]) -> Result:
        if self._closed:
            raise StoreClosed("the store is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            raise StoreUnavailable(str(error)) from error

    def _wake(self) -> None:
        self._written.set()
        self._written = asyncio.Event()

    # From here on: in the store's thread.

    def _position(self) -> tuple[int, int]:
        newest, compacted = self._connection.execute("SELECT newest, compacted FROM position").fetchone()
        return newest, compacted

    def _read(self, keys: KeyRange, revision: int, limit: int) -> RangeResult:
        newest, compacted = self._position()
        if revision > newest:
            raise FutureRevision(f"revision {revision} is not written yet; the newest is {newest}")
        if 0 < revision < compacted:
            raise Compacted(compacted)
        rows = self._connection.execute(_READ, {**_bounds(keys), "revision": revision or newest, "limit": limit or -1})
        return RangeResult(newest, tuple(_item(row) for row in rows))

    def _transact(self, compares: Sequence[Compare], operations: Sequence[Operation]) -> TxnResult:
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            newest, _ = self._position()
            if not all(self._holds(compare) for compare in compares):
                return TxnResult(False, newest)
            revision = newest + 1
            rows = [row for operation in operations if (row := self._row(operation, revision)) is not None]
            if not rows:
                return TxnResult(True, newest)
            self._connection.executemany(_APPEND, rows)
            self._connection.execute("UPDATE position SET newest = ?", (revision,))
        return TxnResult(True, revision)

    def _holds(self, compare: Compare) -> bool:
        found = self._connection.execute(_NEWEST_ROW, (compare.key,)).fetchone()
        modified = 0 if found is None or found[0] is None else found[2]
        return bool(modified == compare.mod_revision)

    def _row(self, operation: Operation, revision: int) -> Row | None:
        found = self._connection.execute(_NEWEST_ROW, (operation.key,)).fetchone()
        exists = found is not None and found[0] is not None
        if isinstance(operation, Put):
            created, version = (found[1], found[3] + 1) if exists else (revision, 1)
            return operation.key, operation.value, created, revision, version
        return (operation.key, None, 0, revision, 0) if exists else None

    def _changes(self, keys: KeyRange, first: int) -> tuple[int, list[WatchBatch]]:
        newest, compacted = self._position()
        if first < compacted:
            raise Compacted(compacted)
        rows = self._connection.execute(_CHANGES, {**_bounds(keys), "first": first, "last": newest})
        by_revision = groupby(rows, key=lambda row: row[3])
        return newest, [WatchBatch(revision, tuple(_event(row) for row in changed)) for revision, changed in by_revision]

    def _compact(self, revision: int) -> None:
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            newest, compacted = self._position()
            if revision > newest:
                raise FutureRevision(f"revision {revision} is not written yet; the newest is {newest}")
            if revision <= compacted:
                raise Compacted(compacted)
            self._connection.execute(_FORGET, {"revision": revision})
            self._connection.execute("UPDATE position SET compacted = ?", (revision,))


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, timeout=1.0)
    try:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found not in (0, FORMAT):
            raise StoreUnavailable(f"store {path} has format {found}, this program writes format {FORMAT}")
        connection.executescript(_SCHEMA)
        connection.execute(f"PRAGMA user_version={FORMAT}")
    except BaseException:
        connection.close()
        raise
    return connection


def _bounds(keys: KeyRange) -> dict[str, object]:
    # One bound each way, never an OR: SQLite would scan to the end of the table for every key it looks up.
    return {"start": keys.start, "end": keys.end or NO_END}


def _item(row: Row) -> KeyValue:
    key, value, create_revision, mod_revision, version = row
    assert value is not None
    return KeyValue(key, value, create_revision, mod_revision, version)


def _event(row: Row) -> PutEvent | DeleteEvent:
    return DeleteEvent(row[0], row[3]) if row[1] is None else PutEvent(_item(row))
