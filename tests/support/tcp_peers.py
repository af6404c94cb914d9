"""Plain TCP upstreams for tests, each in a thread of its own, and a client that reads to the end."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

from tests.support.waiting import PATIENCE

_LINGER_ZERO = struct.pack("ii", 1, 0)


def reset(connection: socket.socket) -> None:
    """Close with a RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    connection.close()


def echo(connection: socket.socket) -> None:
    """Everything back; after the FIN a last word."""
    while data := connection.recv(65536):
        connection.sendall(data)
    connection.sendall(b"BYE")


def reset_after_read(connection: socket.socket) -> None:
    connection.recv(10)
    reset(connection)


class ThreadedPeer:
    """Listens on `port` from the beginning and serves each connection in a thread of its own; whoever breaks off ends that thread."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        raise NotImplementedError

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            self.serve(connection)


class TcpUpstream(ThreadedPeer):
    """Runs *serve* for every connection."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._function = serve
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        self._function(connection)

    def __enter__(self) -> TcpUpstream:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def read_to_end(connection: socket.socket) -> tuple[bytes, str]:
    """What comes until the end, and which end: `fin` or `reset`."""
    received = bytearray()
    try:
        while data := connection.recv(1 << 16):
            received += data
    except ConnectionResetError:
        return bytes(received), "reset"
    return bytes(received), "fin"
