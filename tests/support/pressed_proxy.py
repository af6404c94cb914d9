"""A proxy with an overload manager whose pressure is written into a file."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support import bootstraps
from tests.support.proxy_process import ProxyProcess
from tests.support.subject import subject_process
from tests.support.waiting import PATIENCE, wait_until

MONITORS = bootstraps.TYPE + "resource_monitors."
INJECTED = "envoy.resource_monitors.injected_resource"
HEAP = "envoy.resource_monitors.fixed_heap"
HELLO = [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hello"}}}]


class PressedProxy:
    """One that runs, with its port and its pressure."""

    def __init__(self, process: ProxyProcess, port: int, pressure: Callable[[object], None]) -> None:
        self.process = process
        self.port = port
        self._write = pressure

    def press(self, pressure: float) -> None:
        """Returns when it was measured."""
        self._write(pressure)
        name = f"overload.{INJECTED}.pressure"
        wait_until(lambda: self.stats(name).get(name) == round(pressure * 100), f"a pressure of {pressure}")

    def stats(self, pattern: str) -> dict[str, int]:
        return self.process.admin.stats(pattern)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def get(self, connection: socket.socket, path: str = "/") -> bytes:
        """The answer, or nothing where the connection ends instead."""
        connection.sendall(b"GET %b HTTP/1.1\r\nhost: a\r\n\r\n" % path.encode())
        return read_answer(connection)

    def status(self, path: str = "/") -> int:
        with self.connect() as connection:
            return int(self.get(connection, path)[9:12])


def trigger(**how: Any) -> list[dict[str, Any]]:
    """What watches the file: `threshold` or `scaled`."""
    return [{"name": INJECTED, **how}]


def pressed_by(file: Path, **overload: Any) -> dict[str, Any]:
    """An overload manager that *file* tells the pressure."""
    injected = {"@type": f"{MONITORS}injected_resource.v3.InjectedResourceConfig", "filename": str(file)}
    heap = {"@type": f"{MONITORS}fixed_heap.v3.FixedHeapConfig", "max_heap_size_bytes": 1 << 40}
    return {
        "refresh_interval": "0.05s",
        "resource_monitors": [{"name": INJECTED, "typed_config": injected}, {"name": HEAP, "typed_config": heap}],
        **overload,
    }


def read_answer(connection: socket.socket) -> bytes:
    """Head and body, whose length the head tells; less where the connection ends."""
    received = b""
    while not _is_whole(received) and (data := connection.recv(65536)):
        received += data
    return received


def _is_whole(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: (\d+)", head)
    return bool(end) and len(body) >= (int(length[1]) if length else 0)


@contextmanager
def running(
    directory: Path,
    overload: Mapping[str, Any],
    listener: dict[str, Any] | None = None,
    clusters: list[dict[str, Any]] | None = None,
) -> Iterator[PressedProxy]:
    """overload: fields of the OverloadManager.  listener: one called `edge`; None: one that says hello."""
    file = directory / "pressure"

    def write(pressure: object) -> None:
        fresh = directory / "pressure.new"
        fresh.write_text(str(pressure))
        fresh.rename(file)

    write(0)
    bootstrap = bootstraps.static([listener or bootstraps.http_listener("edge", HELLO)], clusters or [])
    bootstrap["overload_manager"] = pressed_by(file, **overload)
    process = subject_process(bootstrap, directory / "proxy")
    process.start()
    try:
        yield PressedProxy(process, process.wait_listeners(["edge"])["edge"], write)
    finally:
        process.stop()
