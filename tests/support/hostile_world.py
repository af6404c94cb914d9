"""A proxy between peers that flood, stall or break the rules and neighbours that must not notice: ours, or Envoy configured the same."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import bootstraps
from tests.support.envoy_process import envoy_process
from tests.support.origin import Origin, in_a_thread
from tests.support.our_process import our_process
from tests.support.proxy_process import ProxyProcess
from tests.support.tcp_peers import ThreadedPeer
from tests.support.waiting import PATIENCE, wait_until

# What a flood may leave behind in a proxy: caches and pools find their size, Envoy's allocator takes some megabytes.
MAX_GROWTH = 32 << 20
OURS, ENVOY = "ours", "envoy"

_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


class HostileHost(ThreadedPeer):
    """Waits for a request on each connection, then says `answer`: bytes, then nothing, a FIN or a reset."""

    protocol: Mapping[str, Any] = {"http_protocol_options": {}}

    def __init__(self) -> None:
        self.answer = b""
        self.end = ""
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        if not self.await_request(connection):
            return
        connection.sendall(self.answer)
        if self.end == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        while not self.end and connection.recv(65536):
            pass

    def await_request(self, connection: socket.socket) -> bool:
        """Read a whole head.  Returns whether it came."""
        received = b""
        while b"\r\n\r\n" not in received:
            data = connection.recv(65536)
            if not data:
                return False
            received += data
        return True


@dataclass
class World:
    proxy: ProxyProcess
    port: int
    hostile: HostileHost
    log: Path
    is_ours: bool

    def stats(self) -> dict[str, int]:
        return self.proxy.admin.stats()

    def logged(self, path: str = "/hostile") -> list[str]:
        """What the access log says of requests to the hostile host."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if line.startswith(f"{path} ")]

    def resident(self) -> int:
        status = Path(f"/proc/{self.proxy.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024

    def ask_the_hostile_host(self, answer: bytes, end: str, body: bytes | None = None, *, late: bool = False) -> str:
        """What a request to it is logged as: status, flags, details.  Neighbours are served, and memory is bounded.

        body: of the request, None for a GET.  late: it is the route's timeout that ends it, so that one is short.
        """
        self.hostile.answer, self.hostile.end = answer, end
        path = "/hostile/late" if late else "/hostile/patient"
        seen = len(self.logged(path))
        with Neighbour(self.port) as neighbour:
            resident = self.resident()
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            # The body may be cut short, and the connection be gone before ours has left.
            with contextlib.closing(connection), contextlib.suppress(http.client.IncompleteRead, ConnectionError):
                connection.request("GET" if body is None else "POST", path, body)
                connection.getresponse().read()
            assert neighbour.is_served()
        assert self.resident() - resident < MAX_GROWTH
        lines = wait_until(lambda: self.logged(path)[seen:], "a line in the log")
        assert len(lines) == 1
        return lines[0].removeprefix(f"{path} ")


class Neighbour:
    """A client of the same proxy that keeps the rules; its connection is open before the flood and after it."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self.is_served()

    def is_served(self) -> bool:
        self._connection.request("GET", "/")
        return self._connection.getresponse().read() == b"up"

    def __enter__(self) -> Neighbour:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


@contextmanager
def hostile_world(subject: str, directory: Path, hostile: HostileHost, *, shared: bool = False) -> Iterator[World]:
    """subject: OURS or ENVOY.  shared: a connection to the hostile host carries many requests, else one."""
    log = directory / "access.log"
    routes = [
        {"match": {"prefix": "/hostile/patient"}, "route": {"cluster": "hostile", "timeout": "30s", "idle_timeout": "30s"}},
        {"match": {"prefix": "/hostile/late"}, "route": {"cluster": "hostile", "timeout": "1s", "idle_timeout": "30s"}},
        {"match": {"prefix": "/hostile"}, "route": {"cluster": "hostile", "timeout": "0.5s"}},
        {"match": {"prefix": "/"}, "route": {"cluster": "up"}},
    ]
    with in_a_thread(Origin("up")) as origin, contextlib.closing(hostile):
        listener = bootstraps.http_listener(
            "in", routes, access_log=[_access_log(log)], delayed_close_timeout="0.1s", stream_idle_timeout="1s"
        )
        options = {
            "@type": f"type.googleapis.com/{_OPTIONS}",
            "common_http_protocol_options": {} if shared else {"max_requests_per_connection": 1},
            "explicit_http_config": hostile.protocol,
        }
        clusters = [
            bootstraps.static_cluster("up", origin.port),
            bootstraps.static_cluster("hostile", hostile.port, typed_extension_protocol_options={_OPTIONS: options}),
        ]
        make = our_process if subject == OURS else envoy_process
        proxy = make(bootstraps.static([listener], clusters), directory / "proxy")
        proxy.start()
        try:
            yield World(proxy, proxy.wait_listeners(["in"])["in"], hostile, log, subject == OURS)
        finally:
            proxy.stop()


def _access_log(path: Path) -> dict[str, Any]:
    text = "%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n"
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": bootstraps.TYPE + "access_loggers.file.v3.FileAccessLog",
            "path": str(path),
            "log_format": {"text_format_source": {"inline_string": text}},
        },
    }
