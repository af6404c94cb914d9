"""Clients that keep asking on one connection and say what they are told of its end: over HTTP/1.1, HTTP/2, and plain TCP.

`ask` returns OK, TOLD (this answer, or a GOAWAY beside it, is the last), or GONE.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Final, Protocol

from tests.support import h2_frames as frames
from tests.support.waiting import PATIENCE

OK: Final = "ok"
TOLD: Final = "told to go"
GONE: Final = "gone"

_LAST_FRAME: Final = (frames.HEADERS, frames.DATA)


class Asking(Protocol):
    def ask(self) -> str: ...

    def close(self) -> None: ...


class _Peer:
    """source: the address that it connects from, so that filter chains can tell peers apart."""

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE, source_address=(source, 0))

    def ask(self) -> str:
        try:
            return self._ask()
        except (ConnectionError, EOFError):
            return GONE

    def _ask(self) -> str:
        raise NotImplementedError

    def _read(self) -> bytes:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        return data

    def close(self) -> None:
        self.socket.close()


class Http1Peer(_Peer):
    """Answers are expected to have a body of five bytes."""

    def _ask(self) -> str:
        self.socket.sendall(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n")
        received = b""
        while len(received.partition(b"\r\n\r\n")[2]) < 5:
            received += self._read()
        return TOLD if b"\r\nconnection: close\r\n" in received else OK


class Http2Peer(_Peer):
    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        super().__init__(port, source)
        self._next_stream = 1
        self._received = b""
        self.socket.sendall(frames.PREFACE + frames.settings())

    def _ask(self) -> str:
        stream = self.begin()
        while not self._has_ended(stream):
            self._received += self._read()
        return TOLD if self.was_told else OK

    def begin(self, path: bytes = b"/") -> int:
        """Send a request; returns its stream."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        self.socket.sendall(frames.headers(stream, frames.request_block(path=path)))
        return stream

    @property
    def was_told(self) -> bool:
        return any(each.kind == frames.GOAWAY for each in frames.split(self._received))

    def read_until_told(self) -> None:
        while not self.was_told:
            self._received += self._read()

    def read_to_end(self) -> None:
        with suppress(ConnectionError, EOFError):
            while True:
                self._received += self._read()

    def has_answer(self, stream: int) -> bool:
        return self._has_ended(stream)

    def _has_ended(self, stream: int) -> bool:
        return any(
            each.stream_id == stream and each.kind in _LAST_FRAME and each.flags & frames.END_STREAM
            for each in frames.split(self._received)
        )


class TcpPeer(_Peer):
    """Expects its bytes back."""

    def _ask(self) -> str:
        self.socket.sendall(b"ping")
        received = b""
        while len(received) < 4:
            received += self._read()
        return OK
