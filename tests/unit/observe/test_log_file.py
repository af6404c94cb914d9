"""Log files: gathered, written by size and on demand, reopened after a rotation, never a reason to stop."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataplane.observe import log_file
from dataplane.observe.log_file import LogFiles
from dataplane.observe.stats import StatsStore


def test_lines_wait_until_they_are_flushed(tmp_path: Path) -> None:
    files = LogFiles()
    path = tmp_path / "access.log"
    file = files.open(str(path))
    file.write(b"one\n")
    assert not path.exists(), "nothing is opened before there is something to write"
    files.close()
    assert path.read_bytes() == b"one\n"


def test_one_path_is_one_file(tmp_path: Path) -> None:
    files = LogFiles()
    assert files.open(str(tmp_path / "a")) is files.open(str(tmp_path / "a"))


def test_a_full_buffer_is_written_without_a_flush(tmp_path: Path) -> None:
    stats = StatsStore()
    files = LogFiles(flush_size=8, stats=stats)
    file = files.open(str(tmp_path / "access.log"))
    file.write(b"0123456\n")
    file.write(b"wait\n")
    assert stats.counter("filesystem.write_buffered").value == 1
    files.close()
    assert (tmp_path / "access.log").read_bytes() == b"0123456\nwait\n"


def test_reopening_follows_a_rotation(tmp_path: Path) -> None:
    files = LogFiles(flush_size=1)
    path = tmp_path / "access.log"
    files.open(str(path)).write(b"old\n")
    files.close()
    path.rename(tmp_path / "access.log.1")
    files.reopen()
    files.open(str(path)).write(b"new\n")
    files.close()
    assert (tmp_path / "access.log.1").read_bytes() == b"old\n"
    assert path.read_bytes() == b"new\n"


def test_a_file_that_cannot_be_opened_is_counted(tmp_path: Path) -> None:
    stats = StatsStore()
    files = LogFiles(stats=stats)
    files.open(str(tmp_path)).write(b"a directory is no file\n")
    files.close()
    assert stats.counter("filesystem.write_failed").value == 1


def test_what_the_disk_cannot_keep_up_with_is_dropped_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "MAX_BACKLOG", 4)
    stats = StatsStore()
    files = LogFiles(stats=stats)
    file = files.open(str(tmp_path / "access.log"))
    file.write(b"a\nb\nc\n")
    files.close()
    assert stats.counter("filesystem.write_dropped").value == 3
    assert not (tmp_path / "access.log").exists()
