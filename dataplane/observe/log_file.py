"""Files that access logs write to: lines are gathered and written in large pieces by a thread of their own.

Here: one `LogFile` per path, shared by all loggers that name it; flushing by size and by time; reopening after a rotation.
Not here: what a line looks like (observe.format), when one is written (extensions.access_loggers).
A slow disk or a full pipe never stops the event loop: what cannot be kept (more than MAX_BACKLOG) is dropped and counted.
Envoy: --file-flush-interval-msec, --file-flush-min-size-kb, stats `filesystem.*`.
"""

from __future__ import annotations

import logging
import os
import queue
import select
import stat
import threading
from collections.abc import Iterator
from typing import Final

from dataplane.observe.stats import StatsStore

_log = logging.getLogger("file")

MAX_BACKLOG: Final = 64 << 20
"""Bytes of one file that may wait for the disk; beyond it lines are dropped, since memory is worth more than a log."""

_PIPE_BUF: Final = select.PIPE_BUF
"""What goes into a pipe in one piece: more is mixed with the lines of other workers, which write to it, too."""

_STREAMS: Final = {"/dev/stdout": 1, "/dev/stderr": 2}


class LogFile:
    """One file.  `write` is called in the event loop, everything else of it happens in the writer thread."""

    __slots__ = ("_files", "_handed", "_lines", "_size", "descriptor", "path", "reopen", "written")

    def __init__(self, path: str, files: LogFiles) -> None:
        self.path = path
        self._files = files
        self._lines: list[bytes] = []
        self._size = 0
        self._handed = 0  # bytes given to the thread; only the loop writes it
        self.written = 0  # bytes the thread is done with; only the thread writes it
        self.descriptor: int | None = None
        self.reopen = False

    def write(self, line: bytes) -> None:
        """Take one line, with its newline."""
        self._lines.append(line)
        self._size += len(line)
        if self._size >= self._files.flush_size:
            self.flush()

    def flush(self) -> None:
        """Hand what was gathered to the writer."""
        if not self._lines:
            return
        piece = b"".join(self._lines)
        self._lines.clear()
        self._size = 0
        if self._handed - self.written + len(piece) > MAX_BACKLOG:
            self._files.count_dropped(piece.count(b"\n"))
            return
        self._handed += len(piece)
        self._files.submit(self, piece)


class LogFiles:
    """All log files of a process.  Nothing is opened, and no thread runs, before the first line is flushed.

    flush_size: bytes at which a file is written without waiting for the next `flush`, which the owner calls at its interval.
    """

    def __init__(self, flush_size: int = 64 << 10, stats: StatsStore | None = None) -> None:
        self.flush_size = flush_size
        stats = stats or StatsStore()
        self._dropped = stats.counter("filesystem.write_dropped")
        self._completed = stats.counter("filesystem.write_completed")
        self._buffered = stats.counter("filesystem.write_buffered")
        self._failed = stats.counter("filesystem.write_failed")
        self._reopen_failed = stats.counter("filesystem.reopen_failed")
        self._flushed_by_timer = stats.counter("filesystem.flushed_by_timer")
        self._by_path: dict[str, LogFile] = {}
        self._work: queue.SimpleQueue[tuple[LogFile, bytes] | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None

    def open(self, path: str) -> LogFile:
        """The file of that path; the same object for everybody who asks."""
        found = self._by_path.get(path)
        if found is None:
            found = self._by_path[path] = LogFile(path, self)
        return found

    def flush(self) -> None:
        """Write out what waits in every file."""
        self._flushed_by_timer.inc()
        for file in self._by_path.values():
            file.flush()

    def reopen(self) -> None:
        """Open every file anew before its next piece: somebody has moved the old ones away."""
        for file in self._by_path.values():
            file.flush()
            file.reopen = True

    def close(self) -> None:
        """Write everything and wait for it.  The end of the process."""
        self.flush()
        if self._writer is not None:
            self._work.put(None)
            self._writer.join()
            self._writer = None

    def submit(self, file: LogFile, piece: bytes) -> None:
        if self._writer is None:
            self._writer = threading.Thread(target=self._run, name="log writer", daemon=True)
            self._writer.start()
        self._buffered.inc()
        self._work.put((file, piece))

    def count_dropped(self, lines: int) -> None:
        self._dropped.inc(lines)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            file, piece = work
            try:
                _write_all(self._descriptor(file), piece)
                self._completed.inc()
            except OSError as error:
                self._failed.inc()
                _log.warning("cannot write to %s: %s", file.path, error)
            finally:
                file.written += len(piece)

    def _descriptor(self, file: LogFile) -> int:
        if file.descriptor is not None and not file.reopen:
            return file.descriptor
        known = _STREAMS.get(file.path)
        if known is not None:
            file.descriptor = known
            return known
        try:
            opened = os.open(file.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError:
            if file.descriptor is None:
                raise
            self._reopen_failed.inc()  # rather the old file than none
            return file.descriptor
        finally:
            file.reopen = False
        if file.descriptor is not None:
            os.close(file.descriptor)
        file.descriptor = opened
        return opened


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
