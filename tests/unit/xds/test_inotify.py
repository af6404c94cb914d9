from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from dataplane.base.errors import ConfigError
from dataplane.xds.inotify import IN_Q_OVERFLOW, DirectoryWatcher
from tests.support.waiting import wait_until_async


def move_into(directory: Path, name: str) -> None:
    source = directory.parent / f"source-of-{name}"
    source.touch()
    os.rename(source, directory / name)


def test_whoever_watches_a_directory_is_told_what_was_moved_into_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        one, two = tmp_path / "one", tmp_path / "two"
        one.mkdir()
        two.mkdir()
        told: list[tuple[str, str]] = []
        watcher = DirectoryWatcher()
        watcher.watch(str(one), lambda name: told.append(("first", name)))
        watcher.watch(str(one), lambda name: told.append(("second", name)))
        watcher.watch(str(two), lambda name: told.append(("other", name)))
        move_into(one, "näme")
        move_into(two, "b")
        (one / "written").touch()
        await wait_until_async(lambda: len(told) >= 3, "three callbacks")
        watcher.close()
        assert told == [("first", "näme"), ("second", "näme"), ("other", "b")]

    asyncio.run(scenario())


def test_lost_events_are_told_to_everybody(tmp_path: Path) -> None:
    async def scenario() -> None:
        told: list[str] = []
        watcher = DirectoryWatcher()
        watcher.watch(str(tmp_path), told.append)
        watcher.tell(-1, IN_Q_OVERFLOW, "")
        watcher.close()
        assert told == [""]

    asyncio.run(scenario())


def test_what_is_not_a_directory_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        watcher = DirectoryWatcher()
        (tmp_path / "file").touch()
        with pytest.raises(ConfigError, match=r"cannot watch .*/file: Not a directory"):
            watcher.watch(str(tmp_path / "file"), lambda name: None)
        watcher.close()
        watcher.close()

    asyncio.run(scenario())
