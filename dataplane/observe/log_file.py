"""Files that access logs write to: lines are gathered and written in large pieces by a thread for each file.

Here: one `LogFile` per path, shared by all loggers that name it; flushing by size and by time; reopening after a rotation.
Not here: what a line looks like (observe.format), when one is written (extensions.access_loggers).
A slow disk or a pipe that nobody reads stops neither the event loop nor the other files: what cannot be kept (more than MAX_BACKLOG) is
dropped and counted.
Envoy: --file-flush-interval-msec, --file-flush-min-size-kb, stats `filesystem.*`.
"""

from __future__ import annotations

import logging
import os
import queue
import select
import stat
import threading
import time
from collections.abc import Iterator
from typing import Final

from dataplane.observe.stats import StatsStore

_log = logging.getLogger("file")

MAX_BACKLOG: Final = 64 << 20
"""Bytes of one file that may wait for the disk; beyond it lines are dropped, since memory is worth more than a log."""

CLOSING_LIMIT: Final = 5.0
"""Seconds that the end of the process waits for files to be written: a pipe without a reader would hold it up for ever."""

_PIPE_BUF: Final = select.PIPE_BUF
"""What goes into a pipe in one piece: more is mixed with the lines of other workers, which write to it, too."""

_STREAMS: Final = {"/dev/stdout": 1, "/dev/stderr": 2}


class LogStats:
    """`filesystem.`, of all files."""

    def __init__(self, stats: StatsStore) -> None:
        self.dropped: Final = stats.counter("filesystem.write_dropped")
        self.completed: Final = stats.counter("filesystem.write_completed")
        self.buffered: Final = stats.counter("filesystem.write_buffered")
        self.failed: Final = stats.counter("filesystem.write_failed")
        self.reopen_failed: Final = stats.counter("filesystem.reopen_failed")
        self.flushed_by_timer: Final = stats.counter("filesystem.flushed_by_timer")


class LogFile:
    """One file.  What has a name without underscore is called in the event loop; its thread runs `_run`.  Opened with its first piece."""

    __slots__ = (
        "_descriptor",
        "_flush_size",
        "_handed",
        "_is_failing",
        "_lines",
        "_moved",
        "_size",
        "_stats",
        "_work",
        "_writer",
        "_written",
        "path",
    )

    def __init__(self, path: str, flush_size: int, stats: LogStats) -> None:
        self.path = path
        self._flush_size = flush_size
        self._stats = stats
        self._lines: list[bytes] = []
        self._size = 0
        self._moved = False  # somebody has moved the file away: the next piece belongs into a new one
        self._handed = 0  # bytes given to the thread; only the loop writes it
        self._written = 0  # bytes the thread is done with; only the thread writes it
        self._descriptor: int | None = None  # the thread's
        self._is_failing = False  # the thread's
        self._work: queue.SimpleQueue[tuple[bytes, bool] | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None

    def write(self, line: bytes) -> None:
        """Take one line, with its newline."""
        self._lines.append(line)
        self._size += len(line)
        if self._size >= self._flush_size:
            self.flush()

    def flush(self) -> None:
        """Hand what was gathered to the thread."""
        if not self._lines:
            return
        piece = b"".join(self._lines)
        self._lines.clear()
        self._size = 0
        if self._handed - self._written + len(piece) > MAX_BACKLOG:
            self._stats.dropped.inc(piece.count(b"\n"))
            return
        if self._writer is None:
            self._writer = threading.Thread(target=self._run, name="log writer", daemon=True)
            self._writer.start()
        self._handed += len(piece)
        self._stats.buffered.inc()
        self._work.put((piece, self._moved))
        self._moved = False

    def reopen(self) -> None:
        self.flush()
        self._moved = True

    def finish(self) -> None:
        """Let the thread end when everything is written."""
        self.flush()
        if self._writer is not None:
            self._work.put(None)

    def join(self, limit: float) -> None:
        """Wait for the end of the thread.  limit: seconds."""
        if self._writer is not None:
            self._writer.join(limit)
            if not self._writer.is_alive():
                self._writer = None

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            piece, moved = work
            try:
                _write_all(self._open(moved), piece)
            except (OSError, ValueError) as error:  # ValueError: a path that no file can have
                self._stats.failed.inc()
                if not self._is_failing:
                    _log.warning("cannot write to %s: %s", self.path, error)
                self._is_failing = True
            else:
                self._stats.completed.inc()
                self._is_failing = False
            self._written += len(piece)

    def _open(self, moved: bool) -> int:
        before = self._descriptor
        if before is not None and not moved:
            return before
        known = _STREAMS.get(self.path)
        if known is not None:
            self._descriptor = known
            return known
        try:
            opened = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError:
            if before is None:
                raise
            self._stats.reopen_failed.inc()  # rather the old file than none
            return before
        if before is not None:
            os.close(before)
        self._descriptor = opened
        return opened


class LogFiles:
    """All log files of a process.  Nothing is opened, and no thread runs, before the first line is flushed.

    flush_size: bytes at which a file is written without waiting for the next `flush`, which the owner calls at its interval.
    """

    def __init__(self, flush_size: int = 64 << 10, stats: StatsStore | None = None) -> None:
        self._flush_size = flush_size
        self._stats = LogStats(stats or StatsStore())
        self._by_path: dict[str, LogFile] = {}

    def open(self, path: str) -> LogFile:
        """The file of that path; the same object for everybody who asks."""
        found = self._by_path.get(path)
        if found is None:
            found = self._by_path[path] = LogFile(path, self._flush_size, self._stats)
        return found

    def flush(self) -> None:
        """Write out what waits in every file."""
        self._stats.flushed_by_timer.inc()
        for file in self._by_path.values():
            file.flush()

    def reopen(self) -> None:
        """Open every file anew before its next piece: somebody has moved the old ones away."""
        for file in self._by_path.values():
            file.reopen()

    def close(self) -> None:
        """Write everything and wait for it, but not longer than CLOSING_LIMIT.  The end of the process."""
        for file in self._by_path.values():
            file.finish()
        deadline = time.monotonic() + CLOSING_LIMIT
        for file in self._by_path.values():
            file.join(max(0.0, deadline - time.monotonic()))


def _write_all(descriptor: int, piece: bytes) -> None:
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        for part in whole_lines(piece, _PIPE_BUF):
            _write(descriptor, part)
    else:
        _write(descriptor, piece)


def _write(descriptor: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        written = os.write(descriptor, view)
        view = view[written:]


def whole_lines(piece: bytes, limit: int) -> Iterator[bytes]:
    """*piece* in parts of whole lines, each of at most *limit* bytes unless one line alone is longer."""
    start = 0
    while start < len(piece):
        end = len(piece)
        if end - start > limit:
            end = piece.rfind(b"\n", start, start + limit) + 1 or piece.find(b"\n", start) + 1 or end
        yield piece[start:end]
        start = end
