"""The journal's file: replaced in one step, private, bounded; whatever is wrong with it is a warning."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from dataplane.observe.stats import StatsStore
from dataplane.server.journal import JournalFile
from dataplane.xds.journal import Journaled, JournaledResource, encode
from dataplane.xds.types import CLUSTER, SECRET
from tests.support.waiting import wait_until_async

A = JournaledResource("a", "1", b"body")
KEY = JournaledResource("key", "1", b"private")


class Written:
    """A file that is written once, with what it then said of itself."""

    def __init__(self, path: Path, accepted: Journaled, *, secrets: bool = False, max_size: int = 1000) -> None:
        self.stats = StatsStore()
        self._path = path
        self._accepted = accepted
        self._secrets = secrets
        self._max_size = max_size
        self.asked = 0

    def file(self) -> JournalFile:
        return JournalFile(str(self._path), "n", self.stats.scope("journal."), secrets=self._secrets, max_size=self._max_size)

    def run(self) -> JournalFile:
        asyncio.run(self._run())
        return self.file()

    async def _run(self) -> None:
        file = self.file()
        task = asyncio.create_task(file.run(self._accept))
        file.on_ready()
        await wait_until_async(
            lambda: self.count("writes") + self.count("write_failures") or (not self._accepted and self.asked), "a write"
        )
        task.cancel()

    def _accept(self) -> Journaled:
        self.asked += 1
        return self._accepted

    def count(self, name: str) -> int:
        return self.stats.counter(f"journal.{name}").value


def test_what_is_ready_is_written_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    assert Written(path, {CLUSTER: [A]}).run().read().resources == {CLUSTER: (A,)}
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_private_keys_are_left_out_unless_they_are_asked_for(tmp_path: Path) -> None:
    resources = {CLUSTER: [A], SECRET: [KEY]}
    assert SECRET not in Written(tmp_path / "a", resources).run().read().resources
    assert Written(tmp_path / "b", resources, secrets=True).run().read().resources[SECRET] == (KEY,)


def test_nothing_is_written_while_there_is_nothing(tmp_path: Path) -> None:
    Written(tmp_path / "journal", {}).run()
    assert list(tmp_path.iterdir()) == []


def test_a_configuration_that_is_too_large_leaves_the_old_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "journal"
    Written(path, {CLUSTER: [A]}).run()
    too_large = Written(path, {CLUSTER: [JournaledResource("b", "1", b"x" * 2000)]})
    assert too_large.run().read().resources == {CLUSTER: (A,)}
    assert too_large.count("write_failures") == 1
    assert "it would be larger than 1000 bytes" in caplog.text


def test_a_directory_that_is_not_there_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    written = Written(tmp_path / "none" / "journal", {CLUSTER: [A]})
    assert written.run().read().resources == {}
    assert written.count("write_failures") == 1
    assert "was not written" in caplog.text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"garbage", "no journal of this version"),
        (encode("n", 1, {CLUSTER: [A]})[:-1], "checksum"),
        (encode("other", 1, {CLUSTER: [A]}), "node other"),
        (b"x" * 1001, "larger than 1000"),
    ],
)
def test_a_file_of_no_use_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes, reason: str) -> None:
    path = tmp_path / "journal"
    path.write_bytes(content)

    async def read() -> None:
        with caplog.at_level(logging.WARNING):
            assert Written(path, {}).file().read().resources == {}

    asyncio.run(read())
    assert reason in caplog.text


def test_no_file_is_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def read() -> None:
        assert Written(tmp_path / "journal", {}).file().read().resources == {}

    asyncio.run(read())
    assert not caplog.records
