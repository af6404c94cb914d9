"""Processes that tests start: the only way to start one that would run for ever."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from tests.support import guardian


def start(command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    """As subprocess.Popen, and it ends with this process at the latest."""
    process = subprocess.Popen(command, **options)
    guard(process.pid)
    return process


def guard(pid: int) -> None:
    """A process that was started in some other way."""
    if hasattr(os, "pidfd_open"):  # on Linux
        os.write(_guardian(), b"%d\n" % pid)


@functools.cache
def _guardian() -> int:
    """Where it is told process ids.  Signals of the terminal are for us alone."""
    read, write = os.pipe()
    # Nobody waits for it: it is there until we are not.
    command = [sys.executable, "-I", "-S", guardian.__file__]
    process = subprocess.Popen(command, stdin=read, stdout=subprocess.DEVNULL, start_new_session=True)
    process.returncode = 0
    os.close(read)
    return write
