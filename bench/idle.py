"""Connections that did their work and stay: what does one of them cost in memory?

A client that holds thousands of TLS connections needs no TLS any more once they are idle, so it forgets it and keeps the sockets.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench.scenario import LoadResult

_CHUNK = 65536


@dataclass(frozen=True, slots=True)
class IdleConnections:
    """Each has carried one request on *path*."""

    path: str
    count: int = 10_000
    tls: bool = False

    def run(self, port: int, seconds: float, core: int) -> LoadResult:
        """A few that come and go: what the first connections bring is not the cost of the others."""
        with self.hold(port, 200):
            return LoadResult(200, seconds, 0.0, 0.0, 0)

    @contextmanager
    def hold(self, port: int, count: int = 0) -> Iterator[int]:
        """Open them all, and say how many they are."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        request = f"GET {self.path} HTTP/1.1\r\nhost: bench.test\r\n\r\n".encode()
        with ExitStack() as open_sockets:
            for _ in range(count or self.count):
                plain = open_sockets.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
                answer = _ask_securely(plain, context, request) if self.tls else _ask(plain, request)
                if not answer.startswith(b"HTTP/1.1 200"):
                    raise SystemExit(f"an answer that is none: {answer[:80]!r}")
            yield count or self.count


def _ask(plain: socket.socket, request: bytes) -> bytes:
    plain.sendall(request)
    return plain.recv(_CHUNK)


def _ask_securely(plain: socket.socket, context: ssl.SSLContext, request: bytes) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secure = context.wrap_bio(incoming, outgoing, server_hostname="bench.test")

    def pump(step: str) -> bytes:
        while True:
            try:
                done: bytes | None = secure.do_handshake() if step == "handshake" else secure.read(_CHUNK)
            except ssl.SSLWantReadError:
                done = None
                plain.sendall(outgoing.read())
                incoming.write(plain.recv(_CHUNK))
                continue
            plain.sendall(outgoing.read())
            return done or b""

    pump("handshake")
    secure.write(request)
    plain.sendall(outgoing.read())
    return pump("read")
