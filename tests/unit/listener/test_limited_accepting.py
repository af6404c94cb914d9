"""How many connections are taken at a time, and what happens when the system has no room for one."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any, cast

import pytest

from dataplane.listener.limited_accepting import LimitedAccepting


class FakeSocket:
    """A listening socket in front of which some connections wait; an error stands for accept() failing."""

    def __init__(self, *waiting: object) -> None:
        self.waiting = list(waiting)
        self.closed = False

    def listen(self, backlog: int) -> None:
        self.backlog = backlog

    def accept(self) -> tuple[FakeSocket, None]:
        if not self.waiting:
            raise BlockingIOError
        found = self.waiting.pop(0)
        if isinstance(found, OSError):
            raise found
        return FakeSocket(), None

    def setblocking(self, blocking: bool) -> None:
        assert not blocking

    def close(self) -> None:
        self.closed = True


class FakeTask:
    def add_done_callback(self, callback: Callable[[object], None]) -> None:
        callback(self)


class FakeLoop:
    def __init__(self) -> None:
        self.readers: dict[object, Callable[[], None]] = {}
        self.later: list[tuple[float, Callable[[], None]]] = []
        self.begun = 0

    def add_reader(self, sock: object, callback: Callable[[], None]) -> None:
        self.readers[sock] = callback

    def remove_reader(self, sock: object) -> None:
        self.readers.pop(sock, None)

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        self.later.append((delay, callback))

    def connect_accepted_socket(self, factory: object, sock: object) -> None:
        self.begun += 1

    def create_task(self, beginning: object) -> FakeTask:
        return FakeTask()


def made(most: int, *waiting: object) -> tuple[FakeLoop, FakeSocket, LimitedAccepting]:
    loop, sock = FakeLoop(), FakeSocket(*waiting)
    accepting = LimitedAccepting(cast("Any", loop), cast("socket.socket", sock), 7, cast("Any", None), most)
    return loop, sock, accepting


def test_no_more_than_the_limit_for_each_event() -> None:
    loop, sock, _ = made(2, *range(5))
    assert sock.backlog == 7
    taken = []
    for _ in range(4):
        loop.readers[sock]()
        taken.append(loop.begun)
    assert taken == [2, 4, 5, 5]


def test_out_of_descriptors_it_waits() -> None:
    loop, sock, accepting = made(3, OSError(errno.EMFILE, "too many open files"), 1)
    loop.readers[sock]()
    assert (loop.begun, loop.readers) == (0, {})
    ((delay, resume),) = loop.later
    assert delay == 1.0
    resume()
    loop.readers[sock]()
    assert loop.begun == 1
    accepting.close()
    resume()
    assert loop.readers == {}


def test_other_errors_are_bugs() -> None:
    loop, sock, _ = made(1, OSError(errno.EBADF, "bad file descriptor"))
    with pytest.raises(OSError, match="bad file descriptor"):
        loop.readers[sock]()


def test_closed_once() -> None:
    loop, sock, accepting = made(1)
    accepting.close()
    accepting.close()
    assert sock.closed
    assert loop.readers == {}
