"""Log files: gathered, written by size and on demand, reopened after a rotation, never a reason to stop."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_a_pipe_that_nobody_reads_holds_up_no_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "CLOSING_LIMIT", 0.05)
    files = LogFiles()
    pipe, path = tmp_path / "pipe", tmp_path / "access.log"
    os.mkfifo(pipe)
    files.open(str(pipe)).write(b"to nobody\n")
    files.flush()
    other = files.open(str(path))
    other.write(b"to the disk\n")
    other.finish()
    other.join(30)
    assert path.read_bytes() == b"to the disk\n"
    files.close()  # does not wait for the pipe, either
    with pipe.open("rb") as reader:
        assert reader.readline() == b"to nobody\n", "whoever comes late still gets what was kept"
    files.open(str(pipe)).join(30)


def test_a_failure_is_told_when_it_begins(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stats = StatsStore()
    files = LogFiles(flush_size=1, stats=stats)
    path = tmp_path / "removed" / "access.log"
    for line in (b"lost\n", b"lost\n"):
        files.open(str(path)).write(line)
    files.close()
    assert stats.counter("filesystem.write_failed").value == 2
    assert len(caplog.records) == 1
    path.parent.mkdir()
    files.open(str(path)).write(b"kept\n")
    files.close()
    assert path.read_bytes() == b"kept\n"
    assert stats.counter("filesystem.write_completed").value == 1


def test_a_path_that_no_file_can_have_costs_its_own_lines(tmp_path: Path) -> None:
    stats = StatsStore()
    files = LogFiles(flush_size=1, stats=stats)
    for _ in range(2):
        files.open("nul\0").write(b"lost\n")
    files.close()
    assert stats.counter("filesystem.write_failed").value == 2


def test_without_a_new_file_the_old_one_is_written_on(tmp_path: Path) -> None:
    stats = StatsStore()
    files = LogFiles(flush_size=1, stats=stats)
    path = tmp_path / "logs" / "access.log"
    path.parent.mkdir()
    files.open(str(path)).write(b"one\n")
    files.close()
    path.parent.rename(tmp_path / "moved")
    files.reopen()
    for line in (b"two\n", b"three\n"):
        files.open(str(path)).write(line)
    files.close()
    assert (tmp_path / "moved" / "access.log").read_bytes() == b"one\ntwo\nthree\n"
    assert stats.counter("filesystem.reopen_failed").value == 1


@given(st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"") + b"\n")), st.integers(1, 40))
def test_parts_for_a_pipe_are_whole_lines(lines: list[bytes], limit: int) -> None:
    parts = list(log_file.whole_lines(b"".join(lines), limit))
    assert b"".join(parts) == b"".join(lines)
    for part in parts:
        assert part.endswith(b"\n")
        assert len(part) <= limit or part.count(b"\n") == 1


def test_two_writers_of_a_pipe_do_not_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    writers = [LogFiles(), LogFiles()]
    lines = [letter * 300 + b"\n" for letter in (b"a", b"b")]
    for files, line in zip(writers, lines, strict=True):
        file = files.open(str(path))
        for _ in range(500):
            file.write(line)
        file.flush()
    received = b""
    while len(received) < 2 * 500 * 301:
        received += os.read(reader, 1 << 16)
    for files in writers:
        files.close()
    os.close(reader)
    assert sorted(received.splitlines(keepends=True)) == sorted(lines * 500)
