"""Load of nothing but TLS handshakes: connect, agree on keys, close, one after the other.

It runs as a process of its own (`python -m bench.handshakes PORT SECONDS resumed`), so that it can be pinned to its core.
Not here: what is answered over TLS connections that stay (wrk).
"""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass

from bench.cores import pinned
from bench.scenario import LoadResult

_REQUEST = b"GET /nowhere HTTP/1.1\r\nhost: bench.test\r\n\r\n"  # answered by the proxy itself


@dataclass(frozen=True, slots=True)
class Handshakes:
    """TLS 1.3, ECDSA P-256.  resumed: with the session of an earlier connection."""

    resumed: bool = False

    def run(self, port: int, seconds: float, core: int) -> LoadResult:
        command = [sys.executable, "-m", "bench.handshakes", str(port), str(seconds), "resumed" if self.resumed else "full"]
        done = subprocess.run(command, preexec_fn=pinned(core), capture_output=True, text=True, check=True)
        return LoadResult(**json.loads(done.stdout))


def shake_hands(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None) -> bool:
    """Returns whether the session was taken up again."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="bench.test", session=session) as secure,
    ):
        return bool(secure.session_reused)


def first_session(port: int, context: ssl.SSLContext) -> ssl.SSLSession:
    """One that may be resumed: TLS 1.3 sends it after the handshake, before the first answer."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="bench.test") as secure,
    ):
        secure.sendall(_REQUEST)
        secure.recv(65536)
        assert secure.session is not None
        return secure.session


def main(port: int, seconds: float, resumed: bool) -> LoadResult:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    session = first_session(port, context) if resumed else None
    took: list[float] = []
    errors = 0
    began = now = time.perf_counter()
    while now - began < seconds:
        errors += shake_hands(port, context, session) is not resumed
        before, now = now, time.perf_counter()
        took.append((now - before) * 1000)
    took.sort()
    return LoadResult(len(took), now - began, took[len(took) // 2], took[int(len(took) * 0.99)], errors)


if __name__ == "__main__":
    result = main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "resumed")
    print(json.dumps({name: getattr(result, name) for name in LoadResult.__slots__}))
