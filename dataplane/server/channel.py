"""Messages between processes, with file descriptors, over a Unix stream socket.

Here: framing, and sending without ever waiting: what the other side does not take yet is kept.
Not here: what is said (workers.messages, hot_restart).
"""

from __future__ import annotations

import array
import asyncio
import json
import os
import pickle
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

# What a descriptor needs in a control message; the kernel takes 253 of them at once.
_AT_ONCE: Final = 200
_ANCILLARY: Final = socket.CMSG_SPACE(_AT_ONCE * array.array("i").itemsize)
_READ: Final = 256 << 10

_HEAD: Final = struct.Struct("!IH")  # bytes of the message, descriptors that came with it

OnMessage = Callable[[Any, list[int]], None]


@dataclass(frozen=True, slots=True)
class Encoding:
    """How messages become bytes."""

    dump: Callable[[Any], bytes]
    load: Callable[[bytes], Any]


PICKLE: Final = Encoding(pickle.dumps, pickle.loads)
"""For both ends of one program and a socket without a name: whoever writes a pickle can do anything to its reader."""

JSON: Final = Encoding(lambda message: json.dumps(message).encode(), json.loads)
"""For a socket that others can find, and for programs of different versions."""


class Channel:
    """One end.  on_message: a message and its descriptors, which belong to the receiver.  on_end: the other side is gone; called once."""

    def __init__(
        self, sock: socket.socket, on_message: OnMessage, on_end: Callable[[], None], encoding: Encoding = PICKLE
    ) -> None:
        self._socket = sock
        self._encoding = encoding
        self._loop = asyncio.get_running_loop()
        self._on_message = on_message
        self._on_end = on_end
        self._received = bytearray()
        self._descriptors: deque[int] = deque()
        self._unsent: deque[tuple[memoryview, Sequence[int]]] = deque()
        self._writing = False
        self.open = True
        sock.setblocking(False)
        self._loop.add_reader(sock, self._on_readable)

    def send(self, message: object, descriptors: Sequence[int] = ()) -> None:
        """Send now or as soon as there is room.  The descriptors are copied: the caller may close its own."""
        if not self.open:
            return
        copies = [os.dup(each) for each in descriptors]
        body = self._encoding.dump(message)
        for start in range(0, len(copies), _AT_ONCE):
            self._unsent.append((memoryview(_HEAD.pack(0, 0)), copies[start : start + _AT_ONCE]))
        self._unsent.append((memoryview(_HEAD.pack(len(body), len(copies)) + body), ()))
        if not self._writing:
            self._flush()

    def close(self) -> None:
        """No more messages either way; `on_end` is not called."""
        if not self.open:
            return
        self.open = False
        self._loop.remove_reader(self._socket)
        if self._writing:
            self._loop.remove_writer(self._socket)
        self._socket.close()
        _close([*self._descriptors, *(each for _, copies in self._unsent for each in copies)])
        self._unsent.clear()

    def _flush(self) -> None:
        while self._unsent:
            data, copies = self._unsent[0]
            try:
                sent = self._send(data, copies)
            except BlockingIOError:
                self._expect_room(True)
                return
            except OSError:
                self._end()
                return
            _close(copies)
            if sent < len(data):
                self._unsent[0] = data[sent:], ()
            else:
                self._unsent.popleft()
        self._expect_room(False)

    def _send(self, data: memoryview, descriptors: Sequence[int]) -> int:
        if not descriptors:
            return self._socket.send(data)
        return self._socket.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))])

    def _expect_room(self, expected: bool) -> None:
        if expected and not self._writing:
            self._loop.add_writer(self._socket, self._flush)
        elif self._writing and not expected:
            self._loop.remove_writer(self._socket)
        self._writing = expected

    def _on_readable(self) -> None:
        """One read a call: whoever sends much does not keep the loop."""
        try:
            data, ancillary, _, _ = self._socket.recvmsg(_READ, _ANCILLARY, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            self._end()
            return
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors = array.array("i")
                descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
                self._descriptors.extend(descriptors)
        self._received += data
        self._read_messages()
        if not data:
            self._end()

    def _read_messages(self) -> None:
        received = self._received
        while self.open and len(received) >= _HEAD.size:
            length, count = _HEAD.unpack_from(received)
            if len(received) < _HEAD.size + length:
                return
            body = bytes(received[_HEAD.size : _HEAD.size + length])
            del received[: _HEAD.size + length]
            if length:
                self._on_message(self._encoding.load(body), [self._descriptors.popleft() for _ in range(count)])

    def _end(self) -> None:
        if self.open:
            self.close()
            self._loop.call_soon(self._on_end)  # not inside somebody's `send`


def _close(descriptors: Sequence[int]) -> None:
    for each in descriptors:
        os.close(each)
