"""Programs at both ends of a proxy that carries plain bytes or WebSocket messages: `python -m bench.raw_peers ROLE PORT …`.

Hosts: `echo` sends back what comes, `pour` sends bytes until the client goes, `websocket` answers an upgrade and then echoes messages.
Clients print what they saw as JSON: `pingpong` and `messages` wait for each answer before they send again, `drain` counts MiB.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
import time
from collections.abc import Callable

import uvloop

SIZE = 64
MIB = 1 << 20
PAYLOAD = b"x" * SIZE
MASKED = bytes((0x82, 0x80 | SIZE)) + bytes(4) + PAYLOAD  # as clients send messages; a mask of zeros is one, too
UNMASKED = bytes((0x82, SIZE)) + PAYLOAD
GRANTED = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n"
ASKING = b"GET /service-10/chat HTTP/1.1\r\nhost: bench\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: eA==\r\n\r\n"


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvloop's is none by inheritance
        self._write = transport.write

    def data_received(self, data: bytes) -> None:
        self._write(data)


class WebSocketEcho(Echo):
    """One message is in flight at a time, so that each read after the head is one message, or a part of one."""

    _granted = False
    _read = 0

    def data_received(self, data: bytes) -> None:
        if not self._granted:
            self._granted = True
            self._write(GRANTED)
            return
        self._read += len(data)
        if self._read >= len(MASKED):
            self._read -= len(MASKED)
            self._write(UNMASKED)


async def host(protocol: type[Echo], port: int) -> None:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def pour(port: int) -> None:
    def serve(connection: socket.socket) -> None:
        block = bytes(MIB)
        try:
            while True:
                connection.sendall(block)
        except OSError:
            connection.close()

    with socket.create_server(("127.0.0.1", port), backlog=128) as server:
        while True:
            threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()


class Asker(asyncio.Protocol):
    """Sends *question* again when an answer of *size* bytes is there.  greeting: sent first, and answered by a head."""

    def __init__(self, question: bytes, size: int, greeting: bytes, times: list[float]) -> None:
        self._question, self._size, self._greeting, self._times = question, size, greeting, times
        self._read = 0
        self._sent_at = 0.0
        self.lost = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvloop's is none by inheritance
        self._write = transport.write
        if self._greeting:
            self._write(self._greeting)
        else:
            self._ask()

    def _ask(self) -> None:
        self._sent_at = time.perf_counter()
        self._write(self._question)

    def data_received(self, data: bytes) -> None:
        if self._greeting:
            if data.endswith(b"\r\n\r\n"):
                self._greeting = b""
                self._ask()
            return
        self._read += len(data)
        if self._read >= self._size:
            self._read = 0
            self._times.append(time.perf_counter() - self._sent_at)
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


async def ask(port: int, seconds: float, connections: int, question: bytes, size: int, greeting: bytes) -> dict[str, float]:
    times: list[float] = []
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Asker(question, size, greeting, times), "127.0.0.1", port)
        for _ in range(connections)
    ]
    start = time.perf_counter()
    await asyncio.sleep(seconds)
    spent = time.perf_counter() - start
    errors = sum(asker.lost for _, asker in made)
    return report(times, spent, errors)


def drain(port: int, seconds: float) -> dict[str, float]:
    buffer = bytearray(MIB)
    read, start = 0, time.perf_counter()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        while (now := time.perf_counter()) < start + seconds:
            size = connection.recv_into(buffer)
            if not size:
                return report([], now - start, 1)
            read += size
    return report([0.0] * (read // MIB), now - start, 0)


def report(times: list[float], seconds: float, errors: int) -> dict[str, float]:
    ordered = sorted(times) or [0.0]
    return {
        "requests": len(times),
        "seconds": seconds,
        "p50_ms": ordered[len(ordered) // 2] * 1000,
        "p99_ms": ordered[int(len(ordered) * 0.99)] * 1000,
        "errors": errors,
    }


CLIENTS: dict[str, Callable[[int, float, int], dict[str, float]]] = {
    "pingpong": lambda port, seconds, number: uvloop.run(ask(port, seconds, number, PAYLOAD, SIZE, b"")),
    "messages": lambda port, seconds, number: uvloop.run(ask(port, seconds, number, MASKED, len(UNMASKED), ASKING)),
    "drain": lambda port, seconds, number: drain(port, seconds),
}
HOSTS: dict[str, Callable[[int], None]] = {
    "echo": lambda port: uvloop.run(host(Echo, port)),
    "websocket": lambda port: uvloop.run(host(WebSocketEcho, port)),
    "pour": pour,
}


def main(role: str, port: str, *more: str) -> None:
    if role in HOSTS:
        HOSTS[role](int(port))
    else:
        seconds, connections = more
        print(json.dumps(CLIENTS[role](int(port), float(seconds), int(connections))))


if __name__ == "__main__":
    main(*sys.argv[1:])
