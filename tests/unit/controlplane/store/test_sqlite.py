"""The SQLite store: the conformance kit, and what a file must do: survive a crash, be held by one process, outlive versions."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from controlplane.store.contract import KeyRange, Put, StoreUnavailable
from controlplane.store.sqlite import SqliteStore
from tests.conformance.store_kit import StoreConformance

EVERYTHING = KeyRange.of_prefix(b"")

# Writes revision after revision and says so once each is confirmed, until killed.
WRITER = """
import asyncio, sys
from pathlib import Path
from controlplane.store.contract import Put
from controlplane.store.sqlite import SqliteStore

async def main():
    store = await SqliteStore.open(Path(sys.argv[1]))
    while True:
        result = await store.transact((), [Put(b"a", b"x" * 4000), Put(b"b", b"y" * 4000)])
        print(result.revision, flush=True)

asyncio.run(main())
"""


class TestConformance(StoreConformance):
    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path: Path) -> None:
        self.path = tmp_path / "nested" / "store.sqlite"

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[SqliteStore]:
        store = await SqliteStore.open(self.path)
        try:
            yield store
        finally:
            await store.close()


def test_what_was_confirmed_survives_being_killed(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    confirmed = [int(writer.stdout.readline()) for _ in range(50)]
    writer.send_signal(signal.SIGKILL)
    confirmed += [int(line) for line in writer.stdout]
    writer.stdout.close()
    writer.wait()

    async def reopen() -> None:
        store = await SqliteStore.open(path)
        found = await store.read(EVERYTHING)
        # The transaction in flight may have been written without the confirmation getting out; half of one never is.
        assert found.revision in (confirmed[-1], confirmed[-1] + 1)
        assert [(item.key, item.mod_revision) for item in found.items] == [(b"a", found.revision), (b"b", found.revision)]
        await store.close()

    asyncio.run(reopen())


def test_a_second_process_is_refused_while_the_first_holds_the_file(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"

    async def body() -> None:
        first = await SqliteStore.open(path)
        await first.transact((), [Put(b"a", b"1")])
        with pytest.raises(StoreUnavailable, match="locked"):
            await SqliteStore.open(path)
        await first.close()
        second = await SqliteStore.open(path)
        assert (await second.read(EVERYTHING)).revision == 1
        await second.close()

    asyncio.run(body())


def test_a_file_of_another_format_or_kind_is_refused(tmp_path: Path) -> None:
    newer = tmp_path / "newer.sqlite"
    connection = sqlite3.connect(newer)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    text = tmp_path / "text.sqlite"
    text.write_text("this is not a database, and long enough to be sure of that\n" * 100)

    async def body() -> None:
        with pytest.raises(StoreUnavailable, match="format 99"):
            await SqliteStore.open(newer)
        with pytest.raises(StoreUnavailable, match="not a database"):
            await SqliteStore.open(text)
        with pytest.raises(StoreUnavailable, match="cannot open"):
            await SqliteStore.open(tmp_path / "text.sqlite" / "below")

    asyncio.run(body())
