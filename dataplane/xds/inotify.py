"""Moves in directories, told by the kernel to the event loop.

Here: Linux's inotify through the C library; Python has no module for it.  Not here: what is done about a move (filesystem).
Spec: inotify(7).
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
from collections.abc import Callable
from typing import Final

from dataplane.base.errors import ConfigError, FieldPath

IN_MOVED_TO: Final = 0x80
IN_Q_OVERFLOW: Final = 0x4000
IN_ONLYDIR: Final = 0x01000000

_EVENT: Final = struct.Struct("iIII")  # watch descriptor, mask, cookie, length of the name that follows
_READ_SIZE: Final = 64 * 1024

OnMove = Callable[[str], None]  # called with the name of the entry that was moved into the directory; "" when events were lost


class DirectoryWatcher:
    """One inotify instance for many directories.  Must be made and used inside a running event loop."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._add_watch = libc.inotify_add_watch
        self._add_watch.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)
        self._file = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._file < 0:
            raise _failure("inotify", ctypes.get_errno())
        self._callbacks: dict[int, list[OnMove]] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._file, self._readable)

    def watch(self, directory: str, on_move: OnMove) -> None:
        """Call *on_move* for everything that is moved into *directory*.  Raises ConfigError."""
        descriptor = self._add_watch(self._file, os.fsencode(directory), IN_MOVED_TO | IN_ONLYDIR)
        if descriptor < 0:
            raise _failure(directory, ctypes.get_errno())
        self._callbacks.setdefault(descriptor, []).append(on_move)

    def close(self) -> None:
        if self._file >= 0:
            self._loop.remove_reader(self._file)
            os.close(self._file)
            self._file = -1
        self._callbacks.clear()

    def _readable(self) -> None:
        try:
            events = os.read(self._file, _READ_SIZE)
        except BlockingIOError:
            return
        position = 0
        while position < len(events):
            descriptor, mask, _, length = _EVENT.unpack_from(events, position)
            position += _EVENT.size
            name = events[position : position + length].rstrip(b"\0")
            position += length
            self.tell(descriptor, mask, os.fsdecode(name))

    def tell(self, descriptor: int, mask: int, name: str) -> None:
        """One event: an entry was moved into a directory, or events were lost."""
        if mask & IN_Q_OVERFLOW:
            for callbacks in self._callbacks.values():
                for on_move in callbacks:
                    on_move("")
        elif mask & IN_MOVED_TO:
            for on_move in self._callbacks.get(descriptor, ()):
                on_move(name)


def _failure(what: str, number: int) -> ConfigError:
    return ConfigError(FieldPath("path_config_source"), f"cannot watch {what}: {os.strerror(number)}")
