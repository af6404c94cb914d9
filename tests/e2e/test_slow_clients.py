"""Clients that are slow on purpose, and very many of them: others are served, nothing is kept longer than its limit, memory is bounded.

The attacks are slowhttptest's (a Debian package); without it only the mass of connections is tried.
"""

from __future__ import annotations

import contextlib
import resource
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import bootstraps
from tests.support.origin import Origin, in_a_thread
from tests.support.our_process import our_process
from tests.support.proxy_process import ProxyProcess
from tests.support.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.e2e

SLOW = 100
MANY = 10_000
# A third of what Envoy 1.40 takes, with our part of the kernel's bookkeeping.
MAX_PER_CONNECTION = 8 * 1024
BODY = 4 << 20
# per_connection_buffer_limit_bytes, 1 MiB, is a mark: what is read before reading stops comes on top.
MAX_WAITING = 2 << 20
# Others wait no longer than this, on a machine that has other things to do: far less than any of the limits would make them wait in a row.
PROMPT = 5.0

ATTACKS = {
    "slow headers": (["-H", "-i", "1"], "", "downstream_rq_header_timeout"),
    "slow body": (["-B", "-i", "1", "-s", "8192"], "upload", "downstream_rq_timeout"),
    "slow read": (["-X", "-w", "512", "-y", "1024", "-z", "32", "-n", "1", "-k", "1"], "large", "downstream_rq_idle_timeout"),
}


@pytest.fixture(scope="module")
def descriptors() -> Iterator[int]:
    """How many this process and its children may have: as many as the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def proxy(descriptors: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxyProcess]:
    large, silent = Origin("large"), Origin("silent")
    large.answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (BODY, bytes(BODY))
    silent.answer = b""
    routes = [
        {"match": {"prefix": "/large"}, "route": {"cluster": "large"}},
        {"match": {"prefix": "/upload"}, "route": {"cluster": "silent"}},
        {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hello"}}},
    ]
    listener = bootstraps.http_listener(
        "in", routes, request_headers_timeout="1s", request_timeout="1.5s", stream_idle_timeout="2s", delayed_close_timeout="0.1s"
    )
    with in_a_thread(large), in_a_thread(silent):
        clusters = [bootstraps.static_cluster(origin.name, origin.port) for origin in (large, silent)]
        running = our_process(bootstraps.static([listener], clusters), tmp_path_factory.mktemp("slow"))
        running.start()
        try:
            yield running
        finally:
            running.stop()


def counts(proxy: ProxyProcess, name: str) -> int:
    return proxy.admin.stats().get(f"http.in.{name}", 0)  # counters come with the first connection


def resident(proxy: ProxyProcess) -> int:
    fields = Path(f"/proc/{proxy.pid}/statm").read_text().split()
    return int(fields[1]) * resource.getpagesize()


def ask(connection: socket.socket) -> bytes:
    connection.sendall(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n")
    received = b""
    while not received.endswith(b"hello"):
        data = connection.recv(65536)
        assert data
        received += data
    return received


class Neighbours:
    """A client that comes again and again; `slowest` is the longest it had to wait."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.slowest = 0.0
        self.served = 0

    def _run(self) -> None:
        while not self._over.wait(0.05):
            begun = time.monotonic()
            with socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE) as connection:
                ask(connection)
            self.slowest = max(self.slowest, time.monotonic() - begun)
            self.served += 1

    def __enter__(self) -> Neighbours:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@pytest.mark.parametrize(("attack", "path", "counter"), ATTACKS.values(), ids=ATTACKS)
def test_slow_clients_are_sent_away(proxy: ProxyProcess, attack: list[str], path: str, counter: str) -> None:
    program = shutil.which("slowhttptest")
    if program is None:
        pytest.skip("slowhttptest is not installed")
    port = proxy.wait_listeners(["in"])["in"]
    before, memory = counts(proxy, counter), resident(proxy)
    command = [program, *attack, "-c", str(SLOW), "-r", str(SLOW), "-l", "6", "-p", "2", "-u", f"http://127.0.0.1:{port}/{path}"]
    with Neighbours(port) as neighbours:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert neighbours.served
    assert neighbours.slowest < PROMPT
    assert counts(proxy, counter) >= before + SLOW // 2  # the last of them end with the attack
    wait_until(lambda: counts(proxy, "downstream_cx_active") == 0, "all connections closed")
    assert counts(proxy, "downstream_rq_active") == 0
    assert resident(proxy) - memory < SLOW * MAX_WAITING


def test_ten_thousand_connections_are_held(proxy: ProxyProcess, descriptors: int) -> None:
    if descriptors < MANY + 1000:
        pytest.skip(f"only {descriptors} descriptors are allowed")
    port = proxy.wait_listeners(["in"])["in"]
    files, memory = proxy.open_files(), resident(proxy)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)) for _ in range(MANY)]
        for connection in connections:
            connection.sendall(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n")
        for connection in connections:
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        assert counts(proxy, "downstream_cx_active") == MANY
        assert (resident(proxy) - memory) / MANY < MAX_PER_CONNECTION
        with Neighbours(port) as neighbours:
            wait_until(lambda: neighbours.served >= 20, "neighbours are served")
        assert neighbours.slowest < PROMPT
        assert all(ask(connection) for connection in connections[:: MANY // 100])
    wait_until(lambda: counts(proxy, "downstream_cx_active") == 0, "all connections closed")
    wait_until(lambda: proxy.open_files() <= files + 1, "as many open files as before")
