"""The journal's file: read once at the start, written whenever everything that was accepted is in use.

Here: when and how it is written, what a bad file means (a warning, and nothing else).  Not here: its content (xds.journal).
A write replaces the file in one step, so a crash leaves the old or the new one.  It happens in a thread, and at most once a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dataplane.xds.journal import Journal, Journaled, UnusableJournalError, decode, encode
from dataplane.xds.types import SECRET

if TYPE_CHECKING:
    from dataplane.observe.stats import Scope

log = logging.getLogger("config")

# A configuration that is larger is not kept: the file would cost more at every change than it may ever save.
MAX_SIZE: Final = 256 << 20
_INTERVAL: Final = 1.0

_NOTHING: Final = Journal()


class JournalFile:
    """Of one process.  secrets: whether private keys and certificates may be written, too."""

    def __init__(self, path: str, node: str, stats: Scope, *, secrets: bool, max_size: int = MAX_SIZE) -> None:
        """stats: `pointsman.journal.`"""
        self._path = Path(path)
        self._node = node
        self._secrets = secrets
        self._max_size = max_size
        self._changed = asyncio.Event()
        self._writes = stats.counter("writes")
        self._failures = stats.counter("write_failures")
        self._size = stats.gauge("size")

    def read(self) -> Journal:
        """What an earlier process left; empty where there is nothing of use."""
        try:
            if self._path.stat().st_size > self._max_size:
                raise UnusableJournalError(f"it is larger than {self._max_size} bytes")
            return decode(self._path.read_bytes(), self._node)
        except FileNotFoundError:
            return _NOTHING
        except (OSError, UnusableJournalError, ValueError, KeyError, TypeError) as error:
            log.warning("the journal %s is not used: %s", self._path, error)
            return _NOTHING

    def on_ready(self) -> None:
        """Everything that was accepted is in use."""
        self._changed.set()

    async def run(self, accepted: Callable[[], Journaled]) -> None:
        """Write after changes, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            resources = accepted()
            if resources:
                await self._write({url: each for url, each in resources.items() if self._secrets or url != SECRET})
            await asyncio.sleep(_INTERVAL)

    async def _write(self, resources: Journaled) -> None:
        try:
            self._size.set(await asyncio.to_thread(self._replace, resources))
            self._writes.inc()
        except (OSError, UnusableJournalError) as error:
            self._failures.inc()
            log.warning("the journal %s was not written: %s", self._path, error)

    def _replace(self, resources: Journaled) -> int:
        """In a thread.  Returns the size."""
        data = encode(self._node, time.time(), resources)
        if len(data) > self._max_size:
            raise UnusableJournalError(f"it would be larger than {self._max_size} bytes")
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        try:
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                new.unlink()
            raise
        return len(data)
